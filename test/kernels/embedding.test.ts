import { test } from "vitest";
import { sinusoidal } from "../../kernels/embedding.ts";
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
