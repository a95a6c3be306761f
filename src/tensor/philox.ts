/** The upper word of a b. */
function mulHigh(a: number, b: number): number {
  const [al, ah, bl, bh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const mid = ah * bl + ((al * bl) >>> 16);
  const mid2 = al * bh + (mid & 0xffff);
  return (ah * bh + Math.floor(mid / 65536) + Math.floor(mid2 / 65536)) >>> 0;
}

/** Four random words from four words of counter and two of key: Philox-4x32-10, as in shaders/lib/random.wgsl. */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [a, b, c, d] = counter as [number, number, number, number];
  let [k0, k1] = key as [number, number];
  for (let i = 0; i < 10; i++) {
    const [p, q] = [mulHigh(0xd2511f53, a), mulHigh(0xcd9e8d57, c)];
    const [lowP, lowQ] = [Math.imul(0xd2511f53, a), Math.imul(0xcd9e8d57, c)];
    [a, b, c, d] = [(q ^ b ^ k0) >>> 0, lowQ >>> 0, (p ^ d ^ k1) >>> 0, lowP >>> 0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}
