/** The same sum, in plain loops and doubles. */
export function lincomb(factors: readonly number[], tensors: readonly ArrayLike<number>[]): Float64Array {
  const out = new Float64Array(tensors[0]?.length ?? 0);
  tensors.forEach((t, k) => {
    const f = factors[k] as number;
    if (f) for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + f * (t[i] as number);
  });
  return out;
}
