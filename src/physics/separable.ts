import { div, keep, mul } from "../../kernels/broadcast.ts";
import { affine, square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { matmul } from "../../kernels/matmul.ts";
import { reshape } from "../../kernels/reshape.ts";
import { transpose } from "../../kernels/transpose.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import type { OfSingular } from "../linalg/spectral.ts";
import { type Matrix, matrix, multiplied, svd, transposed } from "../linalg/svd.ts";
import { scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** Below this part of the norm a singular value counts as lost: the pseudo-inverse leaves it 0. */
const LOST = 1e-5;

const upload = ({ rows, columns, data }: Matrix): Tensor => tensor([rows, columns], data);

/** P x Q^T for each channel: matrices on both axes of pictures. `back`: P^T x Q. */
function both(x: Tensor, P: Tensor, Q: Tensor, back = false): Tensor {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  const [h, w] = [P, Q].map(({ shape }) => shape[back ? 1 : 0] as number) as [number, number];
  const options = { transposeA: back };
  // the second product is of the picture on its side, [N, W, C h], so that both have many columns
  const half = transpose(matmul(P, reshape(x, [N, H, W * C]), options));
  const whole = matmul(Q, reshape(half, [N, W, C * h]), options);
  return reshape(transpose(reshape(whole, [N, w * C, h])), [N, h, w, C]);
}

/** The SVD of an axis, without the singular values below `least`, and the matrix that this leaves. */
function axis(R: Matrix, least: number): { R: Matrix; u: Matrix; s: Float64Array; v: Matrix } {
  const { u, s, v } = svd(R);
  const kept = s.filter((x) => x >= least).length;
  if (kept === s.length) return { R, u, s, v };
  const narrow = (m: Matrix) => matrix(m.rows, kept, (i, k) => m.data[i * m.columns + k] as number);
  const [U, V] = [narrow(u), narrow(v)];
  const US = matrix(U.rows, kept, (i, k) => (U.data[i * kept + k] as number) * (s[k] as number));
  return { R: multiplied(US, transposed(V)), u: U, s: s.slice(0, kept), v: V };
}

/**
 * y = R x Q^T for each channel, R acting on columns of pixels and Q on rows. Each has an SVD, in float64 on the host, and so has
 * their product: singular values s_i t_j.
 *   prox   x = v + V (s/(s^2 + rho)) (U^T y - s V^T v)          pinv   V (s/(s^2 + eta)) U^T y
 * `least`: singular values of an axis below it are taken out of A itself, as DDRM does below 3e-2.
 */
export function separable(
  name: string,
  domain: readonly [number, number, number],
  [rows, columns]: readonly [Matrix, Matrix],
  { least = 0 }: { least?: number } = {},
): LinearOperator {
  const first = axis(rows, least);
  const same = rows.rows === columns.rows && rows.data.every((v, i) => v === columns.data[i]);
  const second = same && rows.columns === columns.columns ? first : axis(columns, least);
  const [P, Pu, Pv] = [first.R, first.u, first.v].map(upload) as [Tensor, Tensor, Tensor];
  const [Q, Qu, Qv] =
    first === second ? [P, Pu, Pv] : ([second.R, second.u, second.v].map(upload) as [Tensor, Tensor, Tensor]);
  const values = [...first.s].flatMap((s) => [...second.s].map((t) => s * t));
  const norm = values[0] ?? 0;
  const grid: Shape = [1, first.s.length, second.s.length, 1];
  const s = tensor(grid, values);
  const seen = tensor(
    grid,
    values.map((v) => (v > LOST * norm ? v : 0)),
  );
  const gain = (eta: number) => (eta > 0 ? div(s, affine(square(s), 1, eta)) : keep(seen, div(seen, square(seen))));
  const filter = (f: OfSingular, of: (f: number, s: number) => number) =>
    tensor(
      grid,
      values.map((v) => of(f(v > LOST * norm ? v : 0), v)),
    );
  return linear({
    name,
    domain,
    range: [rows.rows, columns.rows, domain[2]],
    holds: first === second ? [P, Pu, Pv, s, seen] : [P, Pu, Pv, Q, Qu, Qv, s, seen],
    norm,
    apply: (x) => scope(() => both(x, P, Q)),
    adjoint: (y) => scope(() => both(y, P, Q, true)),
    prox: (v, y, rho) =>
      scope(() => {
        const misfit = lincomb(1, both(y, Pu, Qu, true), -1, mul(s, both(v, Pv, Qv, true)));
        return lincomb(1, v, 1, both(mul(gain(rho), misfit), Pv, Qv));
      }),
    pinv: (y, eta) => scope(() => both(mul(gain(eta), both(y, Pu, Qu, true)), Pv, Qv)),
    spectral: {
      inside: (x, f) =>
        scope(() => {
          const rest = f(0);
          const part = mul(
            filter(f, (value) => value - rest),
            both(x, Pv, Qv, true),
          );
          return lincomb(rest, x, 1, both(part, Pv, Qv));
        }),
      back: (y, f) =>
        scope(() =>
          both(
            mul(
              filter(f, (value, v) => (v > LOST * norm ? value : 0)),
              both(y, Pu, Qu, true),
            ),
            Pv,
            Qv,
          ),
        ),
    },
  });
}
