/**
 * Which samples coil sensitivities are estimated from: 1 over the part around zero frequency that was measured whole. Of columns
 * those before the first gap on either side, as fastMRI counts them; of points the largest such square, but at least an eighth
 * of the smaller side, where some patterns measure much though not all.
 */
export function centreOf(mask: ArrayLike<number>, [H, W]: readonly [number, number]): Float32Array {
  const out = new Float32Array(H * W);
  const [top, left] = [H >> 1, W >> 1];
  const box = (h: number, w: number) => {
    const [y, x] = [top - (h >> 1), left - (w >> 1)];
    for (let i = Math.max(0, y); i < Math.min(H, y + h); i++)
      out.fill(1, i * W + Math.max(0, x), i * W + Math.min(W, x + w));
  };
  const full = (h: number, w: number) => {
    const [y, x] = [top - (h >> 1), left - (w >> 1)];
    for (let i = y; i < y + h; i++) for (let j = x; j < x + w; j++) if (!mask[i * W + j]) return false;
    return true;
  };
  if (full(H - (H % 2), 2)) {
    let w = 2;
    while (w + 2 <= W && full(H - (H % 2), w + 2)) w += 2;
    box(H + 1, w);
  } else {
    let side = Math.max(2, Math.min(H, W) >> 3);
    while (side + 2 <= Math.min(H, W) && full(side + 2, side + 2)) side += 2;
    box(side, side);
  }
  return out;
}
