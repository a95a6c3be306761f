import { expect, test } from "vitest";
import { fourier, sinusoidal } from "../../kernels/embedding.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

test("both kinds of sinusoid, odd and even widths, fractional times", async () => {
  const t = [0, 0.25, 999];
  const out = await evaluate(() => ({
    adm: sinusoidal(t, 7),
    ddpm: sinusoidal(t, 6, { kind: "ddpm" }),
    h: sinusoidal(t, 6, { dtype: "f16" }),
  }));
  const [f, g] = [
    [0, 1, 2].map((i) => Math.exp((-Math.log(10000) * i) / 3)),
    [0, 1, 2].map((i) => Math.exp((-Math.log(10000) * i) / 2)),
  ];
  expectClose(
    out.adm,
    t.flatMap((v) => [...f.map((w) => Math.cos(v * w)), ...f.map((w) => Math.sin(v * w)), 0]),
    { l2: 1e-7 },
  );
  expectClose(
    out.ddpm,
    t.flatMap((v) => [...g.map((w) => Math.sin(v * w)), ...g.map((w) => Math.cos(v * w))]),
    { l2: 1e-7 },
  );
  expectClose(
    out.h,
    t.flatMap((v) => [...f.map((w) => Math.cos(v * w)), ...f.map((w) => Math.sin(v * w))]),
    { l2: 1e-3 },
  );
});

test("Fourier features, either half first", async () => {
  const [u, w] = [
    [-2.5, 4],
    [16, -33.25, 0.125],
  ];
  const out = await evaluate(() => ({ sin: fourier(u, Float32Array.from(w)), cos: fourier(u, w, { first: "cos" }) }));
  const [s, c] = [
    u.map((v) => w.map((k) => Math.sin(2 * Math.PI * k * v))),
    u.map((v) => w.map((k) => Math.cos(2 * Math.PI * k * v))),
  ];
  expectClose(
    out.sin,
    [0, 1].flatMap((i) => [...s[i]!, ...c[i]!]),
    { l2: 1e-7 },
  );
  expectClose(
    out.cos,
    [0, 1].flatMap((i) => [...c[i]!, ...s[i]!]),
    { l2: 1e-7 },
  );
  expect(out.sin.length).toBe(12);
});
