import { mul } from "../../kernels/broadcast.ts";
import { conj } from "../../kernels/complex.ts";
import { sum } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { type LinearOperator, linear } from "../../src/linalg/operator.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { tensor } from "../../src/tensor/tensor.ts";

/** The operator of a matrix with m rows and n columns, written with broadcasting and sums. Complex rows are interleaved. */
export function dense(m: number, n: number, rows: ArrayLike<number>, type: DType = "f32"): LinearOperator {
  const M = tensor([1, m, n], rows, type);
  const [up, down] = [reshape(M, [1, m, n]), type === "c64" ? conj(M) : M];
  return linear({
    name: "dense",
    domain: [n],
    range: [m],
    domainType: type,
    rangeType: type,
    holds: [M, up, down],
    apply: (x) => sum(mul(up, reshape(x, [-1, 1, n])), { axes: [2] }),
    adjoint: (y) => sum(mul(down, reshape(y, [-1, m, 1])), { axes: [1] }),
  });
}

/** Solves the square system M x = b by elimination with pivots, in doubles. */
export function solve(M: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = b.length;
  const a = M.map((row, i) => [...row, b[i] as number]);
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i]?.[k] as number) > Math.abs(a[pivot]?.[k] as number)) pivot = i;
    [a[k], a[pivot]] = [a[pivot] as number[], a[k] as number[]];
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const f = (a[i]?.[k] as number) / (a[k]?.[k] as number);
      for (let j = k; j <= n; j++) (a[i] as number[])[j] = (a[i]?.[j] as number) - f * (a[k]?.[j] as number);
    }
  }
  return a.map((row, i) => (row[n] as number) / (row[i] as number));
}
