import { afterAll, describe, expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { walshHadamard } from "../../kernels/walsh_hadamard.ts";
import { onComplex } from "../../src/linalg/on_complex.ts";
import { compose, H, type LinearOperator, linear, scale, stack } from "../../src/linalg/operator.ts";
import { bicubicConvolution, imresize } from "../../src/physics/bicubic.ts";
import { blur } from "../../src/physics/blur.ts";
import { grey } from "../../src/physics/colour.ts";
import { randomConvolution, walshSensing } from "../../src/physics/compressed_sensing.ts";
import { superResolution } from "../../src/physics/downsample.ts";
import { identity } from "../../src/physics/identity.ts";
import { boxMask, dustMask, inpaint } from "../../src/physics/mask.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { withGpu } from "../lib/gpu.ts";
import { type Properties, properties } from "../lib/operator_properties.ts";

withGpu();

/** No product of rows and columns; what it hardly passes on, conjugate gradients would take long to find. */
const psf = [
  [0.05, 0.1, 0],
  [0.1, 0.55, 0.05],
  [0, 0.08, 0.02],
  [0.02, 0.02, 0.01],
];
/** Orthonormal, along rows. */
const walsh = (shape: readonly number[]) =>
  linear({
    name: "walsh",
    domain: shape,
    range: shape,
    isometric: 1,
    apply: (x) => walshHadamard(x, { axis: 2 }),
    adjoint: (y) => walshHadamard(y, { axis: 2 }),
  });
const TABLE: Record<string, () => LinearOperator> = {
  dust: () => inpaint(dustMask([11, 9, 3], rng(2))),
  "blur, Gaussian 1, reflected": () => blur([13, 18, 3], { gaussian: 1, boundary: "reflect" }),
  "blur, Gaussian 0.7, zeros around": () => blur([12, 9, 3], { gaussian: 0.7, boundary: "zero" }),
  "blur, uniform 5, valid": () => blur([16, 11, 2], { uniform: 5, boundary: "valid" }),
  "blur, uniform 5, zeros around, DDRM's": () =>
    blur([12, 15, 1], { uniform: 5, boundary: "zero", ddrmTapBug: true, least: 3e-2 }),
  "blur, asymmetric, reflected": () => blur([9, 8, 1], { psf, boundary: "reflect" }),
  "blur, asymmetric, zeros around": () => blur([9, 8, 1], { psf, boundary: "zero" }),
  "blur, asymmetric, valid": () => blur([9, 8, 1], { psf, boundary: "valid" }),
  "SRConv 2": () => bicubicConvolution([12, 14, 3], 2),
  "imresize 4": () => imresize([16, 24, 3], 4),
  "imresize 3 of odd sides": () => imresize([11, 13, 1], 3),
  "Walsh-Hadamard, 1 in 4": () => walshSensing([16, 8, 3], rng(4)),
  "Walsh-Hadamard of odd sides, 1 in 2": () => walshSensing([7, 9, 1], rng(4), { ratio: 2 }),
  "random convolution, 1 in 3": () => randomConvolution([9, 11, 3], rng(5), { ratio: 3 }),
  "mask after a Walsh transform": () => compose(inpaint(boxMask([6, 8, 2])), scale(2, walsh([6, 8, 2]))),
  "Walsh transform of a blur": () => compose(walsh([6, 8, 2]), blur([6, 8, 2], { gaussian: 0.6 })),
  grey: () => grey([5, 7, 3]),
  "imresize of grey": () => compose(imresize([9, 12, 1], 3), grey([9, 12, 3], { weights: "rec601" })),
  "-2 times the adjoint of a mean": () => scale(-2, H(superResolution([6, 4, 2], 2))),
  "mask above identity": () => stack(inpaint(boxMask([7, 6, 2])), scale(0.5, identity([7, 6, 2]))),
  "complex: dust": () => onComplex(inpaint(dustMask([5, 7, 3], rng(2)))),
  "complex: imresize 2": () => onComplex(imresize([8, 10, 2], 2)),
  "complex: Gaussian blur": () => onComplex(blur([9, 12, 2], { gaussian: 0.8 })),
};

test("closed forms survive where mathematics lets them", () => {
  for (const name of [
    "imresize of grey",
    "mask above identity",
    "mask after a Walsh transform",
    "Walsh transform of a blur",
  ]) {
    const A = scope(TABLE[name] as () => LinearOperator);
    expect([name, Boolean(A.prox), Boolean(A.pinv), A.norm !== undefined]).toEqual([name, true, true, true]);
    dispose(A);
  }
  const chain = scope(() => compose(randomConvolution([4, 4, 1], rng(1)), scale(3, walsh([4, 4, 1]))));
  expect(chain.tight).toBeCloseTo(9, 12);
  dispose(chain);
});

describe("every operator", () => {
  const found: Record<string, Properties> = {};
  test.each(Object.keys(TABLE))("%s", async (name) => {
    const got = await properties(TABLE[name] as () => LinearOperator);
    found[name] = got;
    const { adjoint, linear, prox, rho0, nearest, pinv, etaPinv, vjp, half, norm } = got;
    expect(adjoint, "<Ax, y> = <x, A*y>").toBeLessThan(1e-5);
    expect(linear, "A(2x - 3z) = 2Ax - 3Az").toBeLessThan(1e-5);
    expect(vjp, "gradient is the adjoint").toBeLessThan(1e-5);
    expect(half, "halves").toBeLessThan(2e-3);
    expect(prox, "(A*A + rho) x = A*y + rho v").toBeLessThan(1e-4);
    expect(etaPinv, "(A*A + eta) x = A*y").toBeLessThan(1e-4);
    expect(pinv, "A A+ A = A").toBeLessThan(1e-4);
    expect(rho0, "A*(A x - y) = 0 at rho = 0").toBeLessThan(1e-4);
    expect(nearest, "x - v is seen by A at rho = 0").toBeLessThan(1e-3);
    if (norm !== undefined) {
      expect(norm, "power method over norm").toBeLessThan(1 + 1e-5);
      expect(norm).toBeGreaterThan(0.97);
    }
  });
  afterAll(() => {
    const e = (v: number) => v.toExponential(0);
    const rows = Object.entries(found).map(([name, p]) =>
      [
        name.padEnd(50),
        ...[p.adjoint, p.linear, p.vjp, p.half, p.prox, p.etaPinv, p.pinv, p.rho0, p.nearest].map(e),
        p.norm?.toFixed(4) ?? "-",
      ].join("  "),
    );
    console.log(
      ["adjoint, linear, vjp, halves, prox, pinv(eta), A A+ A, rho = 0, nearest, norm reached", ...rows].join("\n"),
    );
  });
});
