import type { Rng } from "../../kernels/random.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";

/** Pictures of a bright disc with smaller ones inside on black, in [-1, 1], [N, H, W, 1]: heads, from afar. */
export const discs =
  ([N, H, W]: readonly [number, number, number]) =>
  async (random: Rng): Promise<Tensor> => {
    const data = new Float32Array(N * H * W).fill(-1);
    for (let n = 0; n < N; n++) {
      const own = Array.from({ length: 5 }, (_, k) => ({
        r: k ? 0.1 + 0.25 * random.number() : 0.8,
        y: k ? random.number() - 0.5 : 0,
        x: k ? random.number() - 0.5 : 0,
        v: k ? 2 * random.number() - 1 : 0,
      }));
      for (let i = 0; i < H * W; i++) {
        const [u, v] = [(2 * Math.floor(i / W)) / H - 1, (2 * (i % W)) / W - 1];
        for (const d of own) if (Math.hypot(u - d.y, v - d.x) < d.r) data[n * H * W + i] = d.v;
      }
    }
    return tensor([N, H, W, 1], data);
  };
