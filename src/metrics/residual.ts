// How well a picture explains its measurement, on the host in float64.
//   meanSquare   mean |y - A(x)|^2 over the m numbers measured (DDiff's "residual", as its ablation prints it)
//   excess       meanSquare - sigma^2: 0 where the fit is right (DDiff's, as its text has it)
//   chi2         meanSquare / sigma^2: 1 where the fit is right; NaN for a measurement without noise

export interface Residual {
  readonly meanSquare: number;
  readonly excess: number;
  readonly chi2: number;
}

/** Of y - A(x), with the noise's sigma in the same units. `count`: the numbers measured, if some of these were not. */
export function residual(
  difference: ArrayLike<number>,
  sigma: number,
  { count = difference.length }: { count?: number } = {},
): Residual {
  if (!(count > 0 && sigma >= 0))
    throw new RangeError(`residual: expects a measurement and a sigma from 0 up, got ${count} numbers and ${sigma}`);
  let sum = 0;
  for (let i = 0; i < difference.length; i++) sum += difference[i] ** 2;
  const meanSquare = sum / count;
  return { meanSquare, excess: meanSquare - sigma ** 2, chi2: sigma > 0 ? meanSquare / sigma ** 2 : Number.NaN };
}
