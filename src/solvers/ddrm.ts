import { lincomb } from "../../kernels/lincomb.ts";
import { ddpmLevels, grid, type Levels } from "../diffusion/schedules.ts";
import { ProxelError } from "../errors.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import type { Spectral } from "../linalg/spectral.ts";
import { pictureShape, type Solver } from "./solver.ts";

export interface DdrmOptions {
  steps?: number;
  levels?: Levels;
  /** Share of fresh noise where the measurement tells less than the level does, or nothing. */
  eta?: number;
  /** How much of the measurement is taken where it tells more. */
  etaB?: number;
  /** Singular values up to this count as 0; the authors' code drops those below .03. */
  cutoff?: number;
}

const singular = ({ name, spectral }: LinearOperator): Spectral => {
  if (spectral) return spectral;
  throw new ProxelError(
    `ddrm: ${name ?? "the operator"} does not know its singular values; give it \`spectral\`, or use ddnm, pigdm or diffpir`,
  );
};

/**
 * DDRM [Kawar 2022, eqs. 7 and 8]: a sampler for each singular value s of A, of x's coordinates in the basis V.
 *   x0 = D(x; l)     eps = (x - x0)/l     from level l to t;  z ~ N(0, 1), n = sigmaNoise, all in the bases V and U
 *   s = 0       x = x0 + t (sqrt(1 - eta^2) eps + eta z)
 *   s t < n     x = x0 + t (sqrt(1 - eta^2) (y - s x0)/n + eta z)
 *   s t >= n    x = (1 - etaB) x0 + etaB y/s + sqrt(t^2 - (etaB n/s)^2) z
 * Begins with y/s + sqrt(t^2 - (n/s)^2) z where s t >= n for the first level, and with t z elsewhere.
 */
export function ddrm({
  steps = 20,
  levels = ddpmLevels(),
  eta = 0.85,
  etaB = 1,
  cutoff = 0.03,
}: DdrmOptions = {}): Solver {
  const split =
    (n: number, t: number) =>
    (unseen: number, faint: (s: number) => number, clear: (s: number) => number) =>
    (s: number): number =>
      s <= cutoff ? unseen : s * t < n ? faint(s) : clear(s);
  return {
    name: "ddrm",
    steps,
    init(problem, rng) {
      const { y, A, sigmaNoise: n, denoiser } = problem;
      const [t] = grid(levels, steps, denoiser) as [number];
      const { inside, back } = singular(A);
      const by = split(n, t);
      const [none, all] = [() => 0, () => t];
      const measured = back(
        y,
        by(0, none, (s) => 1 / s),
      );
      const noise = by(t, all, (s) => Math.sqrt(t * t - (n / s) ** 2));
      const x = lincomb(1, measured, 1, inside(rng.normal(pictureShape(problem)), noise));
      return { x, x0: x, sigma: t };
    },
    step({ y, A, sigmaNoise: n, denoiser }, { x }, i, rng) {
      const all = grid(levels, steps, denoiser);
      const [l, t] = [all[i], all[i + 1]] as [number, number];
      const { inside, back } = singular(A);
      const [by, old] = [split(n, t), t * Math.sqrt(1 - eta * eta)];
      const ofGuess = by(
        1,
        (s) => 1 - (old * s) / n,
        () => 1 - etaB,
      );
      const ofEps = by(
        old,
        () => 0,
        () => 0,
      );
      const ofY = by(
        0,
        () => old / n,
        (s) => etaB / s,
      );
      const ofNoise = by(
        t * eta,
        () => t * eta,
        (s) => Math.sqrt(t * t - ((etaB * n) / s) ** 2),
      );
      const x0 = denoiser(x, l);
      const mean = [1, inside(x0, ofGuess), 1, back(y, ofY)] as const;
      if (t === 0) return { x: lincomb(...mean), x0, sigma: 0 };
      const eps = inside(lincomb(1 / l, x, -1 / l, x0), ofEps);
      return { x: lincomb(...mean, 1, eps, 1, inside(rng.normal(x.shape), ofNoise)), x0, sigma: t };
    },
  };
}
