/**
 * The two weights of argmin |Ax - y|^2/2 + rho |x - v|^2/2, over the larger of 1 and rho:
 * finite for every rho from 0 to Infinity, so that no closed form has to treat the ends apart.
 */
export function proxScale(name: string, rho: number): { s: number; r: number } {
  if (!(rho >= 0)) throw new RangeError(`${name}: rho must be 0 or more, got ${rho}`);
  const s = 1 / Math.max(1, rho);
  return { s, r: rho === Number.POSITIVE_INFINITY ? 1 : rho * s };
}
