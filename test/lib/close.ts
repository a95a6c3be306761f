import { expect } from "vitest";

export interface Tolerance {
  /** Largest relative L2 error, |got - want| / |want|. */
  l2?: number;
  /** Largest error of one element, relative to the largest wanted magnitude. */
  max?: number;
}

/** The relative L2 error of got against want. */
export function relativeL2(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let num = 0;
  let den = 0;
  for (let i = 0; i < want.length; i++) {
    num += ((got[i] as number) - (want[i] as number)) ** 2;
    den += (want[i] as number) ** 2;
  }
  return Math.sqrt(num / Math.max(den, 1e-300));
}

const worst = new Map<string, number>();

/** Fails with the worst element named: index, got, want, multiple of the tolerance. Returns the relative L2 error. */
export function expectClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  { l2 = 1e-5, max }: Tolerance = {},
): number {
  expect(got.length, "number of elements").toBe(want.length);
  const error = relativeL2(got, want);
  let at = 0;
  let biggest = -1;
  let scale = 0;
  for (let i = 0; i < want.length; i++) {
    const d = Math.abs((got[i] as number) - (want[i] as number));
    scale = Math.max(scale, Math.abs(want[i] as number));
    if (!(d <= biggest)) {
      biggest = d;
      at = i;
    }
  }
  const detail = `worst at ${at} of ${want.length}: got ${got[at]}, want ${want[at]}`;
  if (want.length) {
    const zero = scale === 0;
    if (zero ? !(biggest <= l2) : !(error <= l2))
      expect.fail(
        `relative L2 error ${error.toExponential(2)} is ${(error / l2).toFixed(1)} times the tolerance ${l2}; ${detail}`,
      );
    if (max !== undefined && !(biggest <= max * (scale || 1)))
      expect.fail(
        `largest error ${biggest.toExponential(2)} is ${(biggest / max / (scale || 1)).toFixed(1)} times the tolerance; ${detail}`,
      );
  }
  const name = expect.getState().testPath?.split("/").pop()?.replace(".test.ts", "") ?? "";
  worst.set(name, Math.max(worst.get(name) ?? 0, want.length ? error : 0));
  return error;
}

/** The largest error seen in this file so far, for the summary line. */
export const worstError = (): string =>
  [...worst].map(([name, e]) => `${name}: worst relative L2 error ${e.toExponential(2)}`).join("\n");
