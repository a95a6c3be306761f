import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import { combine, type Denoiser, eachSigma } from "./denoiser.ts";
import type { Network } from "./precondition.ts";

/** A Schrödinger bridge between a picture x0 (index 0) and its degraded form x1 (the last index). */
export interface Bridge {
  readonly beta: Float64Array;
  /** sqrt of the sum of beta up to an index, and from it on, the index included in both. */
  readonly forward: Float64Array;
  readonly backward: Float64Array;
  /** What the network is told. */
  readonly time: Float64Array;
  /** x_i = toX0 x0 + toX1 x1 + std z: where the two ends leave it. */
  at(i: number): { toX0: number; toX1: number; std: number };
}

/** Of N(a, s^2) N(b, t^2): the weights of a and b in its mean, and its deviation. */
export function product(s: number, t: number): { first: number; second: number; std: number } {
  const total = s * s + t * t;
  return { first: (t * t) / total, second: (s * s) / total, std: (s * t) / Math.sqrt(total) };
}

/**
 * The bridge of I2SB [Liu 2023]: sqrt(beta) rises linearly as if to betaMax/steps, half of the way, and falls back in mirror.
 * Published: betaMax .3 for JPEG and super-resolution, 1 for deblurring and inpainting.
 */
export function bridge({ steps = 1000, betaMax = 0.3, first = 1e-4, t0 = 1e-4 } = {}): Bridge {
  if (!(steps >= 2 && steps % 2 === 0)) throw new RangeError(`bridge: an even number of steps expected, got ${steps}`);
  const [a, b] = [Math.sqrt(first), Math.sqrt(betaMax / steps)];
  const beta = Float64Array.from(
    { length: steps },
    (_, i) => (a + ((b - a) * Math.min(i, steps - 1 - i)) / (steps - 1)) ** 2,
  );
  const [forward, backward] = [new Float64Array(steps), new Float64Array(steps)];
  let sum = 0;
  for (let i = 0; i < steps; i++) forward[i] = Math.sqrt((sum += beta[i] as number));
  sum = 0;
  for (let i = steps - 1; i >= 0; i--) backward[i] = Math.sqrt((sum += beta[i] as number));
  return {
    ...{ beta, forward, backward },
    time: Float64Array.from({ length: steps }, (_, i) => steps * (t0 + ((1 - t0) * i) / (steps - 1))),
    at(i) {
      const { first: toX0, second: toX1, std } = product(forward[i] as number, backward[i] as number);
      return { toX0, toX1, std };
    },
  };
}

/** The index whose `forward` is nearest to sigma. */
export function bridgeIndex({ forward }: Bridge, sigma: number): number {
  const above = forward.findIndex((s) => s >= sigma);
  if (above < 0) return forward.length - 1;
  const near = (i: number) => Math.abs((forward[i] as number) - sigma);
  return above > 0 && near(above - 1) < near(above) ? above - 1 : above;
}

/**
 * A bridge's network F as a denoiser of its states: D(x; s) = x - s F(x, time), s = `forward` of an index, the network told
 * that index's time. x is no picture with noise s, but a state between the picture and its degraded form: only `i2sb` asks so.
 */
export function bridgeDenoiser(F: Network, of: Bridge, { channels = 3, multipleOf = 1 } = {}): Denoiser {
  const time = (s: number) => of.time[bridgeIndex(of, s)] as number;
  const call: (...a: Parameters<Denoiser>) => ReturnType<Denoiser> = (x, sigma) => {
    const [N, H, W, C] = x.shape as [number, number, number, number];
    if (x.shape.length !== 4 || C !== channels || H % multipleOf || W % multipleOf)
      throw new ShapeError(
        `bridge: expected [N, H, W, ${channels}]${multipleOf > 1 ? ` with H and W multiples of ${multipleOf}` : ""}, got [${x.shape.join(", ")}]`,
      );
    const times = typeof sigma === "number" ? new Array<number>(N).fill(time(sigma)) : sigma.map(time);
    return scope(() =>
      combine(
        1,
        x,
        eachSigma(sigma, (s) => -s),
        F(x, times),
      ),
    );
  };
  return Object.assign(call, {
    sigmaMin: of.forward[0] as number,
    sigmaMax: of.forward.at(-1) as number,
    channels,
    multipleOf,
    round: (s: number) => of.forward[bridgeIndex(of, s)] as number,
  });
}
