import { expect, test } from "vitest";
import { affine } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { type Network, precondition } from "../../src/diffusion/precondition.ts";
import { ddpmTable } from "../../src/diffusion/schedules.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

/** [sigma, c_skip, c_out, c_in, c_noise], from the official code in f32. */
const ROWS = {
  edm: [
    [0.002, 0.9999840161763132, 0.0019999840296804905, 1.9999840259552002, -1.553652048110962],
    [0.3, 0.7352941334247589, 0.2572478950023651, 1.7149858474731445, -0.3009932041168213],
    [80, 3.904104232788086e-5, 0.49999022483825684, 0.012499755248427391, 1.0955066680908203],
  ],
  vp: [
    [0.02, 1, -0.02, 0.9998001456260681, 3.061281204223633],
    [1, 1, -1, 0.7071067690849304, 258.7013244628906],
    [80, 1, -80, 0.012499024160206318, 932.57763671875],
  ],
  ve: [
    [0.02, 1, 0.02, 1, -4.605170249938965],
    [1, 1, 1, 1, -0.6931471824645996],
    [80, 1, 80, 1, 3.6888794898986816],
  ],
  iddpm: [
    [0.3, 1, -0.3, 0.9578262567520142, 178],
    [1, 1, -1, 0.7071067690849304, 495],
    [0.5, 1, -0.5, 0.8944271802902222, 289],
  ],
} as const;

/** y, having noted what came with it. */
const seenBy = <T, Y>(list: T[], what: readonly T[], y: Y): Y => {
  list.push(...what);
  return y;
};

test("a level for each sample where pictures are halves", async () => {
  const gives = await evaluate(() => {
    const x = tensor([2, 1, 1, 1], [1, 2], "f16");
    const D = precondition.edm((z) => z, { channels: 1 });
    return { each: D(x, [0.3, 2]), all: [D(x, 0.3), D(x, 2)] };
  });
  const want = [gives.all[0]?.[0] as number, gives.all[1]?.[1] as number];
  expectClose(gives.each, want, { l2: 2e-3 });
});

test.each(Object.keys(ROWS) as (keyof typeof ROWS)[])(
  "%s: the coefficients of the table, for all samples and for each",
  async (name) => {
    const rows = ROWS[name];
    const sigmas = rows.map(([s]) => s);
    const labels: number[][] = [];
    const probe = (F: Network) =>
      precondition[name]((x, noise) => seenBy(labels, [noise], F(x, noise)), { channels: 1 });
    const nets: Network[] = [(x) => affine(x, 0, 0), (x) => affine(x, 0, 1), (x) => affine(x, 1, 0)];
    const out = await evaluate(() => {
      const [three, one] = [tensor([3, 1, 1, 1], [1, 1, 1]), tensor([1, 1, 1, 1], [1])];
      return nets.map((F) => ({ each: probe(F)(three, sigmas), all: sigmas.map((s) => probe(F)(one, s)) }));
    });
    rows.forEach(([, skip, cOut, cIn, cNoise], i) => {
      const want = [skip, skip + cOut, skip + cOut * cIn];
      out.forEach(({ each, all }, k) => {
        expect(Math.abs((each[i] as number) - (want[k] as number))).toBeLessThan(2e-6 * Math.max(1, Math.abs(cOut)));
        expect(all[i]?.[0]).toBeCloseTo(each[i] as number, 5);
      });
      expect(labels[0]?.[i]).toBeCloseTo(cNoise, 3);
      expect(labels[1 + i]?.[0]).toBe(labels[0]?.[i]);
    });
  },
);

test("vp with the levels of a discrete process gives its indices", async () => {
  const { sigma } = ddpmTable();
  const seen: number[] = [];
  const D = precondition.vp((x, noise) => seenBy(seen, noise, x), { channels: 1, levels: sigma });
  expect([D.sigmaMin, D.sigmaMax]).toEqual([sigma[0], sigma[999]]);
  await evaluate(() => [0, 500, 999].map((t) => D(tensor([1, 1, 1, 1], [1]), sigma[t] as number)));
  for (const [i, t] of seen.entries()) expect(t).toBeCloseTo([0, 500, 999][i] as number, 6);
});

test("a network that learnt its variance gives its mean only", async () => {
  const x = asF32(normals(18, 1));
  const twice = precondition.ve(
    () =>
      tensor(
        [1, 3, 2, 6],
        Array.from({ length: 36 }, (_, i) => i),
      ),
    { channels: 3 },
  );
  const { y } = await evaluate(() => ({ y: twice(tensor([1, 3, 2, 3], x), 2) }));
  expectClose(
    y,
    x.map((v, i) => v + 2 * (6 * Math.floor(i / 3) + (i % 3))),
    { l2: 1e-6 },
  );
});

test("refuses pictures and levels that do not fit", async () => {
  const D = precondition.edm((x) => x, { multipleOf: 4 });
  await evaluate(() => {
    expect(() => D(tensor([1, 4, 6, 3], new Float32Array(72)), 1)).toThrow(
      "expected [N, H, W, 3] with H and W multiples of 4, got [1, 4, 6, 3]",
    );
    expect(() => D(tensor([1, 4, 4, 3], new Float32Array(48)), [1, 2])).toThrow("2 noise levels for 1 samples");
    return [];
  });
});

test("edm takes another label", async () => {
  const seen: number[] = [];
  const D = precondition.edm((x, noise) => seenBy(seen, noise, x), { noise: (s) => 250 * Math.log(s), channels: 1 });
  await evaluate(() => D(tensor([2, 1, 1, 1], [1, 2]), [1, Math.E]));
  expect(seen).toEqual([0, 250]);
});

test("the exact denoiser of a Gaussian", async () => {
  const [D, x] = [gaussian({ mean: 0.3, variance: 0.04 }), asF32(normals(8, 2))];
  const want = (s: number, v: number) => 0.3 + (0.04 / (0.04 + s * s)) * (v - 0.3);
  const out = await evaluate(() => {
    const t: Tensor = tensor([2, 2, 2, 1], x);
    return { one: D(t, 0.5), each: D(t, [0.1, 2]), same: lincomb(1, t) };
  });
  expectClose(
    out.one,
    x.map((v) => want(0.5, v)),
    { l2: 1e-6 },
  );
  expectClose(
    out.each,
    x.map((v, i) => want(i < 4 ? 0.1 : 2, v)),
    { l2: 1e-6 },
  );
});
