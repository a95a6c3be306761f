import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { compose, type LinearOperator, scale } from "../../src/linalg/operator.ts";
import type { Spectral } from "../../src/linalg/spectral.ts";
import { imresize } from "../../src/physics/bicubic.ts";
import { blur } from "../../src/physics/blur.ts";
import { grey } from "../../src/physics/colour.ts";
import { walshSensing } from "../../src/physics/compressed_sensing.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { identity } from "../../src/physics/identity.ts";
import { inpaint, randomMask } from "../../src/physics/mask.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { relativeL2 } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const shape = [12, 10, 3];
const cases: [string, () => LinearOperator][] = [
  ["identity", () => identity(shape)],
  ["mask", () => inpaint(randomMask(shape, rng(1)))],
  ["block average", () => superResolution(shape, 2)],
  [
    "circular blur",
    () =>
      blur(shape, {
        psf: [
          [0.1, 0.2, 0],
          [0, 0.5, 0.1],
          [0, 0, 0.1],
        ],
      }),
  ],
  ["a blur that loses frequencies", () => blur(shape, { uniform: [1, 2] })],
  ["a mask of a block average", () => compose(inpaint(randomMask([6, 5, 3], rng(1))), superResolution(shape, 2))],
  [
    "-2 times a blur of itself times 3",
    () => compose(scale(-2, identity(shape)), blur(shape, { uniform: [1, 2] }), scale(3, identity(shape))),
  ],
  ["reflected blur", () => blur(shape, { gaussian: 1.5, boundary: "reflect" })],
  ["zero-padded blur that loses frequencies", () => blur(shape, { uniform: [1, 2], boundary: "zero" })],
  ["imresize", () => imresize(shape, 2)],
  ["grey", () => grey(shape)],
  ["Walsh-Hadamard sensing", () => walshSensing([4, 8, 3], rng(1))],
  ["-3 times a block average", () => scale(-3, superResolution(shape, 2))],
];

test.each(cases)("the singular values of %s", async (name, make) => {
  const A = scope(make);
  const { inside, back } = A.spectral as Spectral;
  const { x, y, z, ...got } = await evaluate(() => {
    const [x, z] = [rng(2).normal([2, ...A.domain]), rng(3).normal([2, ...A.domain])];
    const y = rng(4).normal([2, ...A.range]);
    const gram = (v: typeof x) => A.adjoint(A.apply(v));
    return {
      x,
      y,
      z,
      same: inside(x, () => 1),
      gram: inside(x, (s) => s * s),
      AtAx: gram(x),
      adjoint: back(y, (s) => s),
      Aty: A.adjoint(y),
      // U^T y = S^+ V^T A^T y, twice over
      seen: inside(
        back(y, () => 1),
        (s) => s,
      ),
      root: inside(
        inside(x, (s) => Math.sqrt(s + 2)),
        (s) => Math.sqrt(s + 2),
      ),
      plus: lincomb(
        1,
        inside(x, (s) => s),
        2,
        x,
      ),
      pseudo: A.apply(back(A.apply(x), (s) => (s ? 1 / s : 0))),
      Ax: A.apply(x),
      unseen: A.apply(inside(x, (s) => (s ? 0 : 1))),
      left: inside(x, (s) => Math.exp(-s)),
      right: inside(z, (s) => Math.exp(-s)),
    };
  });
  const inner = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);
  const errors = {
    identity: relativeL2(got.same, x),
    gram: relativeL2(got.gram, got.AtAx),
    adjoint: relativeL2(got.adjoint, got.Aty),
    basis: relativeL2(got.seen, got.Aty),
    product: relativeL2(got.root, got.plus),
    pseudo: relativeL2(got.pseudo, got.Ax),
    unseen: Math.hypot(...got.unseen) / Math.hypot(...got.Ax),
    symmetric: Math.abs(inner(got.left, z) - inner(x, got.right)) / (Math.hypot(...x) * Math.hypot(...z)),
  };
  console.log(
    name,
    JSON.stringify(errors, (_, v) => (typeof v === "number" ? Number(v.toPrecision(2)) : v)),
  );
  for (const error of Object.values(errors)) expect(error).toBeLessThan(2e-5);
  dispose(A.holds);
});
