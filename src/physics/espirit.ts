import { ProxelError, ShapeError } from "../errors.ts";
import { hermitianEigen } from "../linalg/hermitian_eigen.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { normalised } from "./coils.ts";

export interface EspiritOptions {
  /** Side of the box in the middle of k-space that is looked at; smaller where less of it was measured. */
  calibration?: number;
  /** Side of the patches; by default 6, or less, down to 3, until there are five times as many patches as directions they span. */
  kernel?: number;
  /** Singular values of the calibration matrix count from this part of the largest on. */
  threshold?: number;
  /** Pixels whose eigenvalue is not above this see nothing: their sensitivities are 0. */
  crop?: number;
}

/** Sides of patches to choose from, and how many patches there should be to a dimension of their span. */
const [LEAST, MOST, ENOUGH] = [3, 6, 5];

/**
 * Coil sensitivities from k-space itself, c64 [1 or nothing, H, W, coils] to c64 [H, W, coils]: ESPIRiT [Uecker 2014], first map.
 *   P     projector on the span of the patches p of the centre, singular values above `threshold` of the largest
 *   G(r)  = 1/kernel^2 sum over a, b of P[(a, .), (b, .)] exp(-2 pi i (b - a) r/n),       coils x coils for each pixel
 *   S(r)  = its first eigenvector, where the eigenvalue (at most 1) is above `crop`; sum |S|^2 = 1 there, else 0
 * The phase is that of the principal component of the coils, which is the picture's own up to a smooth one. A sample that is
 * exactly 0 in all coils was not measured. On the host in float64: some 2 s for 8 coils of 230 x 180.
 */
export async function espirit(kspace: Tensor, options: EspiritOptions = {}): Promise<Tensor> {
  const shape = kspace.shape.slice(-3) as unknown as [number, number, number];
  if (kspace.dtype !== "c64" || kspace.shape.length < 3 || kspace.size !== shape.reduce((a, b) => a * b, 1))
    throw new ShapeError(
      `espirit: expected k-space c64 [H, W, coils] of one slice, got ${kspace.dtype} [${kspace.shape.join(", ")}]`,
    );
  return tensor(shape, espiritMaps(await kspace.read(), shape, options), "c64");
}

/** The same for interleaved numbers [H, W, coils]. */
export function espiritMaps(
  kspace: ArrayLike<number>,
  [H, W, C]: readonly [number, number, number],
  { calibration = 24, kernel, threshold = 0.02, crop = 0.95 }: EspiritOptions = {},
): Float32Array {
  const box = measuredBox(kspace, [H, W, C], calibration);
  const smallest = kernel ?? LEAST;
  if (Math.min(box.h, box.w) <= smallest)
    throw new ProxelError(
      `espirit: only ${box.h}x${box.w} samples in the middle of k-space are all measured, patches of ${smallest}x${smallest} need ${smallest + 1}x${smallest + 1}; give maps`,
    );
  const sample = (i: number, j: number) => 2 * (((box.top + i) * W + box.left + j) * C);
  let k = kernel ?? Math.min(MOST, box.h - 1, box.w - 1);
  let found = span(kspace, { sample, box, C, k, threshold });
  while (kernel === undefined && k > LEAST && found.patches < ENOUGH * found.rank)
    found = span(kspace, { sample, box, C, k: --k, threshold });
  const { P } = found;
  const n = k * k * C;

  // the patches' projector depends on the pixel through the shift between two of their points alone
  const s = 2 * k - 1;
  const shifts = new Float64Array(2 * s * s * C * C);
  for (let a = 0; a < k * k; a++)
    for (let b = 0; b < k * k; b++) {
      const dy = Math.floor(b / k) - Math.floor(a / k) + k - 1;
      const dx = (b % k) - (a % k) + k - 1;
      for (let c = 0; c < C; c++)
        for (let e = 0; e < 2 * C; e++) {
          const to = 2 * ((dy * s + dx) * C + c) * C + e;
          shifts[to] = (shifts[to] as number) + (P[2 * ((a * C + c) * n + b * C) + e] as number) / (k * k);
        }
    }
  return pixelMaps(shifts, { H, W, C, s, crop, reference: principal(kspace, sample, box, C) });
}

interface Patches {
  sample(i: number, j: number): number;
  box: Box;
  C: number;
  k: number;
  threshold: number;
}

/** The projector on what the patches of side k span, of how many dimensions that is, and of how many patches. */
function span(kspace: ArrayLike<number>, { sample, box, C, k, threshold }: Patches) {
  const [h, w, n] = [box.h - k + 1, box.w - k + 1, k * k * C];
  const gram = new Float64Array(2 * n * n);
  const patch = new Float64Array(2 * n);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      for (let a = 0; a < k * k; a++) {
        const from = sample(i + Math.floor(a / k), j + (a % k));
        for (let c = 0; c < 2 * C; c++) patch[2 * a * C + c] = kspace[from + c] as number;
      }
      outer(gram, patch, n);
    }
  const { values, vectors } = hermitianEigen(gram, n);
  const limit = threshold ** 2 * (values[0] as number);
  const P = new Float64Array(2 * n * n);
  let rank = 0;
  for (; rank < n && (values[rank] as number) > limit; rank++)
    outer(P, vectors.subarray(2 * rank * n, 2 * (rank + 1) * n), n);
  return { P, rank, patches: h * w };
}

/** m += v v^H. */
function outer(m: Float64Array, v: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const [a, b] = [v[2 * i] as number, v[2 * i + 1] as number];
    for (let j = 0, at = 2 * i * n; j < n; j++, at += 2) {
      const [c, d] = [v[2 * j] as number, v[2 * j + 1] as number];
      m[at] = (m[at] as number) + a * c + b * d;
      m[at + 1] = (m[at + 1] as number) + b * c - a * d;
    }
  }
}

interface Box {
  top: number;
  left: number;
  h: number;
  w: number;
}

/** The largest box around the zero frequency, sides at most `side`, all of which was measured. */
function measuredBox(kspace: ArrayLike<number>, [H, W, C]: readonly [number, number, number], side: number): Box {
  const known = (i: number, j: number) => {
    for (let c = 0; c < 2 * C; c++) if (kspace[2 * (i * W + j) * C + c] !== 0) return true;
    return false;
  };
  const at = (h: number, w: number): Box => ({ top: (H >> 1) - (h >> 1), left: (W >> 1) - (w >> 1), h, w });
  let best = at(0, 0);
  for (let h = Math.min(side, H); h > 0; h--)
    for (let w = Math.min(side, W); h * w > best.h * best.w && Math.min(h, w) >= Math.min(best.h, best.w); w--) {
      const box = at(h, w);
      let whole = true;
      for (let i = 0; whole && i < h; i++)
        for (let j = 0; whole && j < w; j++) whole = known(box.top + i, box.left + j);
      if (whole) best = box;
    }
  return best;
}

/** The direction in which the coils' samples are largest. */
function principal(kspace: ArrayLike<number>, sample: (i: number, j: number) => number, { h, w }: Box, C: number) {
  const covariance = new Float64Array(2 * C * C);
  const v = new Float64Array(2 * C);
  for (let i = 0; i < h; i++)
    for (let j = 0; j < w; j++) {
      for (let c = 0, from = sample(i, j); c < 2 * C; c++) v[c] = kspace[from + c] as number;
      outer(covariance, v, C);
    }
  return hermitianEigen(covariance, C).vectors.subarray(0, 2 * C);
}

interface Pixels {
  H: number;
  W: number;
  C: number;
  /** Shifts from -(s - 1)/2 to (s - 1)/2 along each side. */
  s: number;
  crop: number;
  reference: Float64Array;
}

/** For each pixel, the matrix G from its Fourier sum over the shifts, and its first eigenvector by powers. */
function pixelMaps(shifts: Float64Array, { H, W, C, s, crop, reference }: Pixels): Float32Array {
  const out = new Float64Array(2 * H * W * C);
  const line = new Float64Array(2 * s * C * C);
  const G = new Float64Array(2 * C * C);
  const [v, next] = [new Float64Array(2 * C), new Float64Array(2 * C)];
  const size = 2 * C * C;
  for (let y = 0; y < H; y++) {
    line.fill(0);
    for (let d = 0; d < s; d++) addTurned(line, shifts.subarray(d * s * size, (d + 1) * s * size), turn(d, s, y, H));
    for (let x = 0; x < W; x++) {
      G.fill(0);
      for (let d = 0; d < s; d++) addTurned(G, line.subarray(d * size, (d + 1) * size), turn(d, s, x, W));
      // from the neighbour's answer, and a little of everything lest it be at right angles to this one
      for (let c = 0; c < C; c++) v[2 * c] = (v[2 * c] as number) + 0.1 / C;
      const value = firstEigenvector(G, v, next, C);
      if (!(value > crop)) continue;
      let [re, im] = [0, 0];
      for (let c = 0; c < C; c++) {
        const [a, b, p, q] = [v[2 * c], v[2 * c + 1], reference[2 * c], reference[2 * c + 1]] as [
          number,
          number,
          number,
          number,
        ];
        re += p * a + q * b;
        im += p * b - q * a;
      }
      const away = Math.hypot(re, im) || 1;
      for (let c = 0, at = 2 * (y * W + x) * C; c < C; c++, at += 2) {
        const [a, b] = [v[2 * c] as number, v[2 * c + 1] as number];
        out[at] = (a * re + b * im) / away;
        out[at + 1] = (b * re - a * im) / away;
      }
    }
  }
  return normalised(out, C);
}

const turn = (d: number, s: number, r: number, n: number): number =>
  (-2 * Math.PI * (d - (s - 1) / 2) * (r - (n >> 1))) / n;

function addTurned(sum: Float64Array, term: Float64Array, angle: number): void {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  for (let i = 0; i < sum.length; i += 2) {
    const [a, b] = [term[i] as number, term[i + 1] as number];
    sum[i] = (sum[i] as number) + a * c - b * s;
    sum[i + 1] = (sum[i + 1] as number) + a * s + b * c;
  }
}

/** v <- G v/|G v| until it stays, or 100 times; the eigenvalue. */
function firstEigenvector(G: Float64Array, v: Float64Array, next: Float64Array, C: number): number {
  let value = 0;
  for (let tries = 0; tries < 100; tries++) {
    let power = 0;
    for (let c = 0; c < C; c++) {
      let [re, im] = [0, 0];
      for (let e = 0; e < C; e++) {
        const at = 2 * (c * C + e);
        const [a, b, p, q] = [G[at], G[at + 1], v[2 * e], v[2 * e + 1]] as [number, number, number, number];
        re += a * p - b * q;
        im += a * q + b * p;
      }
      next[2 * c] = re;
      next[2 * c + 1] = im;
      power += re * re + im * im;
    }
    value = Math.sqrt(power);
    if (value === 0) return 0;
    let moved = 0;
    for (let c = 0; c < 2 * C; c++) {
      const fresh = (next[c] as number) / value;
      moved += (fresh - (v[c] as number)) ** 2;
      v[c] = fresh;
    }
    if (moved < 1e-14) break;
  }
  return value;
}
