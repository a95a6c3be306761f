import { crop, pad, unpad } from "../../kernels/pad.ts";
import { convolve } from "../../kernels/prox_fourier.ts";
import { ShapeError } from "../errors.ts";
import { type LinearOperator, linear } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import { type Boundary, convolution, ddrmTaps } from "./axis.ts";
import { type BlurOptions, otfTensor, psf2otf, psfOf, psfRows } from "./psf.ts";
import { separable } from "./separable.ts";

export interface EdgeOptions {
  /** What lies beyond the border; "circular" when left out. */
  boundary?: Boundary;
  /** With boundary "zero": singular values of an axis below this are taken out of A, as DDRM does below 3e-2. */
  least?: number;
  /** With boundary "zero": the last tap of an odd number is lost, as in DDRM's code and its copies, to compare with their numbers. */
  ddrmTapBug?: boolean;
}

/** u v^T with v's largest entry of 1, if the taps are such a product. */
function factors(psf: readonly (readonly number[])[]): [number[], number[]] | undefined {
  const most = Math.max(...psf.flat().map(Math.abs));
  const row = psf.find((r) => r.some((v) => Math.abs(v) === most));
  if (!row || !(most > 0)) return undefined;
  const at = row.findIndex((v) => Math.abs(v) === most);
  const [u, v] = [psf.map((r) => r[at] as number), row.map((x) => x / (row[at] as number))];
  const product = psf.every((r, i) =>
    r.every((x, j) => Math.abs(x - (u[i] as number) * (v[j] as number)) <= 1e-12 * most),
  );
  return product ? [u, v] : undefined;
}

/** The least whole number from n on that divides into 2, 3 and 5. */
function smooth(n: number): number {
  for (let k = n; ; k++) {
    let rest = k;
    for (const p of [2, 3, 5]) while (rest % p === 0) rest /= p;
    if (rest === 1) return k;
  }
}

/**
 * Convolution with a point spread function of a picture that ends: beyond its border is its mirror image (edge not repeated),
 * nothing, or, for "valid", what is not asked, so that y is smaller. A function that is a product of one in x and one in y has
 * an SVD on each axis, and with it prox, pinv and norm in closed form; others are left to conjugate gradients.
 */
export function boundedBlur(
  domain: readonly [number, number, number],
  options: BlurOptions & EdgeOptions,
): LinearOperator {
  const { boundary = "zero", least = 0, ddrmTapBug = false } = options;
  if (boundary === "circular") throw new Error("internal: boundedBlur: a circle has no border");
  const [H, W, C] = domain;
  const psf = psfOf(options);
  const list = ("channels" in psf ? psf.channels : [psf]).map(psfRows);
  const [kh, kw] = [0, 1].map((side) => Math.max(...list.map((p) => (side ? (p[0]?.length ?? 0) : p.length)))) as [
    number,
    number,
  ];
  if (list.flat(2).some((v) => !Number.isFinite(v)))
    throw new RangeError("blur: the point spread function holds a number that is not finite");
  if (![1, C].includes(list.length) || list.some((p) => p.length !== kh || p[0]?.length !== kw))
    throw new ShapeError(
      `blur: ${list.length} point spread functions for ${C} channels; give one, or one of one size for each`,
    );
  if (boundary === "valid" && (kh > H || kw > W))
    throw new ShapeError(`blur: a point spread function of ${kh}x${kw} does not lie within [${domain.join(", ")}]`);

  const product = list.length === 1 ? factors(list[0] as number[][]) : undefined;
  if ((ddrmTapBug || least) && !(product && boundary === "zero"))
    throw new TypeError('blur: ddrmTapBug and least are of separable blurs with boundary "zero"');
  if (product) {
    const along = (n: number, k: readonly number[]) => (ddrmTapBug ? ddrmTaps(n, k) : convolution(n, k, boundary));
    return separable("blur", domain, [along(H, product[0]), along(W, product[1])], { least });
  }

  const [cy, cx] = [Math.floor(kh / 2), Math.floor(kw / 2)];
  const valid = boundary === "valid";
  // rows i - a + cy for taps a: kh - 1 - cy above, cy below; a circle that is wide enough never comes round
  const [top, left] = [kh - 1 - cy, kw - 1 - cx];
  const border = valid ? ([0, 0, 0, 0] as const) : ([top, cy, left, cx] as const);
  const [h, w] = [H + border[0] + border[1], W + border[2] + border[3]];
  const wide = [0, smooth(h) - h, 0, smooth(w) - w] as const;
  const [eh, ew] = [h + wide[1], w + wide[3]];
  const range = valid ? [H - kh + 1, W - kw + 1, C] : domain;
  const [oh, ow] = range as [number, number];
  const otf = otfTensor(
    list.map((p) => psf2otf(p, eh, ew)),
    eh,
    ew,
  );
  const mode = boundary === "reflect" ? "reflect" : "zero";
  return linear({
    name: "blur",
    domain,
    range,
    holds: otf,
    apply: (x) => scope(() => crop(convolve(pad(pad(x, border, mode), wide), otf), [top, left, oh, ow])),
    adjoint: (y) =>
      scope(() => {
        const placed = pad(y, [top, eh - oh - top, left, ew - ow - left]);
        return unpad(unpad(convolve(placed, otf, { adjoint: true }), wide), border, mode);
      }),
  });
}
