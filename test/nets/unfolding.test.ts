import { expect, test } from "vitest";
import { add as addTo } from "../../kernels/broadcast.ts";
import { lincomb as lincombOf } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { asReal, reshape } from "../../kernels/reshape.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { dotTest } from "../../src/linalg/dot_test.ts";
import { onReal, realView, viewFor } from "../../src/linalg/on_real.ts";
import { scale } from "../../src/linalg/operator.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { officialEdm } from "../../src/nets/edm_official.ts";
import { countParameters, initParams } from "../../src/nets/net.ts";
import { conditioned } from "../../src/nets/posterior_net.ts";
import { unfold, unfolding } from "../../src/nets/unfolding.ts";
import { birdcage } from "../../src/physics/coils.ts";
import { identity } from "../../src/physics/identity.ts";
import { inpaint } from "../../src/physics/mask.ts";
import { mri } from "../../src/physics/mri.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { publishedCedm } from "../../src/train/cedm.ts";
import { publishedUnfolding } from "../../src/train/diff_unfolding.ts";
import { expectClose } from "../lib/close.ts";
import { dense, solve } from "../lib/dense.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const number = (v: number) => tensor([1, 1, 1, 1], [v]);

test.each([
  [0.25, 1, 0.3],
  [0.25, 0.5, 2],
  [0.04, 0.2, 0.05],
])("one step with the exact denoiser is E[x | x_t, y] for A = s: c %d, s %d, sigma %d", async (c, s, sigma) => {
  const sigmaY = 0.1;
  // precision of x given x_t and y, and the two numbers that make one step exact
  const P = s ** 2 / sigmaY ** 2 + 1 / c + 1 / sigma ** 2;
  const [gamma, tau] = [1 / (sigmaY ** 2 * P), sigmaY ** 2 * (1 / c + 1 / sigma ** 2)];
  const [x, y] = [normals(48, 1), normals(48, 2)].map(asF32) as [Float64Array, Float64Array];
  const got = await evaluate(() => {
    const R = gaussian({ variance: c, channels: 3 });
    const A = scale(s, identity([4, 4, 3]));
    const step = { gamma: number(gamma), tau: number(tau), R: (v: Parameters<typeof R>[0]) => R(v, sigma) };
    return unfold(tensor([1, 4, 4, 3], x), tensor([1, 4, 4, 3], y), A, [step]);
  });
  expectClose(
    got,
    x.map((v, i) => ((s * y[i]!) / sigmaY ** 2 + v / sigma ** 2) / P),
    { l2: 1e-5 },
  );
});

test("its fixed point is E[x | x_t, y] for any A, with an R that is linear and right", async () => {
  const [n, m, sigma, sigmaY, c, tau] = [8, 5, 0.4, 0.3, 0.25, 1.5];
  const rows = asF32(normals(n * m, 1).map((v) => 0.5 * v));
  const [x, y] = [asF32(normals(n, 2)), asF32(normals(m, 3))];
  const got = await evaluate(() => {
    const x_t = tensor([1, n], x);
    // tau (x - R) is the slope of sigma_y^2 (|x - x_t|^2/sigma^2 + |x|^2/c)/2
    const [a, b] = [1 - (sigmaY ** 2 / tau) * (1 / sigma ** 2 + 1 / c), sigmaY ** 2 / tau / sigma ** 2];
    const still = asF32(x.map((v) => b * v));
    const one = {
      gamma: tensor([1, 1], [0.2]),
      tau: tensor([1, 1], [tau]),
      R: (v: typeof x_t) => {
        const own = dense(
          n,
          n,
          Array.from({ length: n * n }, (_, i) => (i % (n + 1) ? 0 : a)),
        );
        return scope(() => reshape(addTo(own.apply(v), tensor([1, n], still)), [1, n]));
      },
    };
    return unfold(x_t, tensor([1, m], y), dense(m, n, rows), new Array(120).fill(one));
  });
  const M = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => {
      let sum = i === j ? 1 / c + 1 / sigma ** 2 : 0;
      for (let k = 0; k < m; k++) sum += (rows[k * n + i]! * rows[k * n + j]!) / sigmaY ** 2;
      return sum;
    }),
  );
  const b = Array.from({ length: n }, (_, i) => {
    let sum = x[i]! / sigma ** 2;
    for (let k = 0; k < m; k++) sum += (rows[k * n + i]! * y[k]!) / sigmaY ** 2;
    return sum;
  });
  expectClose(got, solve(M, b), { l2: 1e-5 });
});

test("two steps, of 1/l for each eigenvalue l, are exact under a mask", async () => {
  const [sigma, sigmaY, c, tau] = [0.5, 0.2, 0.25, 1];
  const [x, y] = [asF32(normals(16, 4)), asF32(normals(16, 5))];
  const known = Array.from({ length: 16 }, (_, i) => (i % 3 ? 1 : 0));
  const prior = 1 / c + 1 / sigma ** 2;
  const got = await evaluate(() => {
    const x_t = tensor([1, 4, 4, 1], x);
    const A = inpaint(tensor([4, 4, 1], known));
    const [a, b] = [1 - (sigmaY ** 2 / tau) * prior, sigmaY ** 2 / tau / sigma ** 2];
    const R = (v: typeof x_t) => lincombOf(a, v, b, x_t);
    const eigenvalues = [1 + sigmaY ** 2 * prior, sigmaY ** 2 * prior];
    const steps = eigenvalues.map((l) => ({ gamma: number(1 / l), tau: number(tau), R }));
    return unfold(
      x_t,
      tensor(
        [1, 4, 4, 1],
        y.map((v, i) => v * known[i]!),
      ),
      A,
      steps,
    );
  });
  expectClose(
    got,
    x.map((v, i) => (v / sigma ** 2 + (known[i]! * y[i]!) / sigmaY ** 2) / (prior + known[i]! / sigmaY ** 2)),
    { l2: 1e-5 },
  );
});

const tiny = (inChannels: number, outChannels = inChannels) =>
  dhariwalUnet({
    resolution: 8,
    inChannels,
    outChannels,
    channels: 8,
    multipliers: [1, 2],
    embMultiplier: 2,
    blocks: 1,
    attention: [],
  });

test("a complex picture and its two parts as channels give the same, through several coils", async () => {
  const net = unfolding({ net: tiny(2), wrap: precondition.edm, iterations: 2, hidden: 8 });
  const side = conditioned(tiny(4, 2), precondition.edm);
  const params = [net, side].map((one) => initParams(one, rng(3)));
  const out = await evaluate(() => {
    // fresh last layers are zero; any weights will do
    const [p, q] = params.map(({ tree }) =>
      Object.fromEntries(Object.entries(tree).map(([n, t]) => [n, addTo(t, lincombOf(0.1, rng(8).normal(t.shape)))])),
    ) as [Record<string, ReturnType<typeof number>>, Record<string, ReturnType<typeof number>>];
    const mask = tensor(
      [8, 12, 1],
      Array.from({ length: 96 }, (_, i) => ((i % 12) % 3 ? 0 : 1)),
    );
    const maps = birdcage([8, 12], 3);
    const x = tensor([2, 8, 12, 2], normals(384, 1));
    const [A, B] = [mri([8, 12, 1], { mask, maps }), mri([8, 12, 2], { mask, maps })];
    const z = viewFor(A, x);
    const y = A.apply(z);
    return [net.apply(p, z, y, A, [0.3, 1]), side.apply(q, z, y, A, [0.3, 1])].map((complex, i) => ({
      dtype: complex.dtype,
      complex: asReal(complex),
      real: i ? side.apply(q, x, y, B, [0.3, 1]) : net.apply(p, x, y, B, [0.3, 1]),
      input: realView(z),
    }));
  });
  for (const { dtype, complex, real, input } of out) {
    expect(dtype).toBe("c64");
    expectClose(complex, Float64Array.from(real), { l2: 1e-6 });
    expect(Math.max(...real.map((v, i) => Math.abs(v - input[i]!)))).toBeGreaterThan(0.1);
  }
  dispose(params.flatMap(({ chunks, tree }) => [chunks, tree]));
});

test("the real view of a complex operator has the adjoint that goes with it", async () => {
  const made = scope(() => {
    const D = dense(5, 6, normals(60, 1), "c64");
    return { A: onReal({ ...D, domain: [6] }), D };
  });
  expect(made.A.domain).toEqual([12]);
  expect((await dotTest(made.A)).relative).toBeLessThan(1e-5);
  expect(onReal(made.A)).toBe(made.A);
  dispose(made.D.holds);
});

test("step sizes differ between steps and samples, and tied steps share one network", async () => {
  const own = unfolding({ net: tiny(1), wrap: precondition.edm, iterations: 3, hidden: 8 });
  const tied = unfolding({ net: tiny(1), wrap: precondition.edm, iterations: 3, hidden: 8, tied: true });
  const small = countParameters(tiny(1));
  const heads = 2 * (4 * 8 + 8 + 8 + 1) + (8 + 8 + 8 + 1);
  expect([countParameters(own), countParameters(tied)]).toEqual([3 * small + heads, small + heads]);
  expect([own.calls, tied.calls]).toEqual([3, 3]);
  const params = initParams(own, rng(1));
  const got = await evaluate(() => ({
    ...own.weights(params.tree, [0.1, 1]),
    u: own.uncertainty(params.tree, [0.1, 1]),
  }));
  const all = got.gamma.flatMap((g) => [...g]);
  expect(new Set(all).size).toBe(6);
  expect(Math.min(...all, ...got.tau.flatMap((t) => [...t]))).toBeGreaterThan(0);
  // untrained, u is the logarithm of c_out^2
  expectClose(
    got.u,
    [0.1, 1].map((s) => Math.log((0.25 * s * s) / (s * s + 0.25))),
    { l2: 1e-6 },
  );
  dispose([params.chunks, params.tree]);
});

test("eight published networks are the paper's 46.94 M parameters, and cEDM's the 138.28 M", () => {
  const { net } = officialEdm(publishedUnfolding.network);
  expect(publishedUnfolding.iterations * countParameters(net)).toBe(46_939_416);
  expect(countParameters(officialEdm(publishedCedm).net)).toBe(138_289_923);
  expect(countParameters(officialEdm({ ...publishedCedm, in_channels: 3 }).net)).toBe(138_286_467);
});

test("what it cannot do it says", () => {
  const make = (more: object) => unfolding({ net: tiny(1), wrap: precondition.edm, ...more });
  expect(() => make({ iterations: 0 })).toThrow("unfolding: expected 1 iteration or more, got 0");
  expect(() => conditioned(tiny(4, 3), precondition.edm)).toThrow("twice as many channels in as out, got 4 and 3");
});
