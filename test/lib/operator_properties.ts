import { expect } from "vitest";
import { cast } from "../../kernels/cast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { dotTest, white } from "../../src/linalg/dot_test.ts";
import type { LinearOperator } from "../../src/linalg/operator.ts";
import { powerMethod } from "../../src/linalg/power_method.ts";
import { pinv, proxL2 } from "../../src/linalg/prox_l2.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { relativeL2 } from "./close.ts";
import { evaluate } from "./gpu.ts";

/** Worst relative errors by property; `norm`: what the power method reaches of it. */
export type Properties = Record<
  "adjoint" | "linear" | "prox" | "rho0" | "nearest" | "pinv" | "etaPinv" | "vjp" | "half",
  number
> & {
  norm: number | undefined;
};

export interface Expected {
  /** Noise variances and penalties to try the prox at. */
  rhos?: readonly number[];
  iterations?: number;
}

const N = 3;

/** Everything that is promised of a linear operator, measured on white noise in a batch of three. Frees the operator. */
export async function properties(
  make: () => LinearOperator,
  { rhos = [1e-3, 0.3, 10], iterations = 30 }: Expected = {},
): Promise<Properties> {
  const A = scope(make);
  try {
    const on = (side: "domain" | "range", k: number) =>
      white(rng(17).fork(k), [N, ...A[side]], side === "domain" ? A.domainType : A.rangeType);
    const adjoint = (await dotTest(A)).relative;

    const basics = await evaluate(() => {
      const [x, z, y] = [on("domain", 1), on("domain", 2), on("range", 3)];
      const Ax = A.apply(x);
      return {
        sum: A.apply(lincomb(2, x, -3, z)),
        sums: lincomb(2, Ax, -3, A.apply(z)),
        back: vjp(A.apply, x).pullback(y)[0],
        forth: vjp(A.adjoint, y).pullback(x)[0],
        Aty: A.adjoint(y),
        Ax,
        again: A.apply(pinv(A, Ax, 0)),
        // complex pictures have no halves
        half: A.domainType === "c64" ? Ax : A.apply(cast(x, "f16")),
      };
    });
    const vjpError = Math.max(relativeL2(basics.back, basics.Aty), relativeL2(basics.forth, basics.Ax));

    let prox = 0;
    for (const rho of rhos) {
      const { left, right } = await evaluate(() => {
        const [v, y] = [on("domain", 4), on("range", 5)];
        const x = proxL2(A, v, y, rho);
        return { left: lincomb(1, A.adjoint(A.apply(x)), rho, x), right: lincomb(1, A.adjoint(y), rho, v) };
      });
      prox = Math.max(prox, relativeL2(left, right));
    }

    // rho = 0: least squares, and nearest to v: x - v has no part in the null space; Infinity: v itself
    const ends = await evaluate(() => {
      // a measurement with little noise: pure noise would be blown up by as much as A weakens
      const [v, y] = [on("domain", 6), lincomb(1, A.apply(on("domain", 9)), 1e-3, on("range", 7))];
      const x = proxL2(A, v, y, 0);
      const moved = lincomb(1, x, -1, v);
      return {
        gradient: A.adjoint(lincomb(1, A.apply(x), -1, y)),
        scale: A.adjoint(y),
        moved,
        seen: pinv(A, A.apply(moved), 0),
        stays: proxL2(A, v, y, Number.POSITIVE_INFINITY),
        v,
      };
    });
    expect([...ends.stays]).toEqual([...ends.v]);

    const eta = 0.2;
    const damped = await evaluate(() => {
      const y = on("range", 8);
      const x = pinv(A, y, eta);
      return { left: lincomb(1, A.adjoint(A.apply(x)), eta, x), right: A.adjoint(y) };
    });

    const reached = await powerMethod(A, { iterations });
    return {
      adjoint,
      linear: relativeL2(basics.sum, basics.sums),
      prox,
      rho0: size(ends.gradient) / size(ends.scale),
      nearest: relativeL2(ends.seen, ends.moved),
      pinv: relativeL2(basics.again, basics.Ax),
      etaPinv: relativeL2(damped.left, damped.right),
      vjp: vjpError,
      half: relativeL2(basics.half, basics.Ax),
      norm: A.norm === undefined ? undefined : reached / A.norm,
    };
  } finally {
    dispose(A);
  }
}

const size = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

/** The matrix of an operator, column by column, for small domains. */
export async function matrixOf(A: LinearOperator): Promise<Float64Array[]> {
  const n = A.domain.reduce((a, b) => a * b, 1);
  const { y } = await evaluate(() => ({
    y: A.apply(
      tensor(
        [n, ...A.domain],
        Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) ? 0 : 1)),
      ),
    ),
  }));
  const m = y.length / n;
  return Array.from({ length: n }, (_, j) => Float64Array.from(y.subarray(j * m, (j + 1) * m)));
}
