import { expect, test } from "vitest";
import { square } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { anySize } from "../../src/diffusion/any_size.ts";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, integer, normals } from "../lib/random.ts";

const fixture = withGpu();
/** f per pixel, of pictures that must be multiples of 4, learnt at `tile`. */
const pixelwise = (f: (x: Tensor) => Tensor, tile?: number, seen: (x: Tensor) => void = () => {}): Denoiser =>
  Object.assign(
    (x: Tensor) => {
      seen(x);
      return f(x);
    },
    { sigmaMin: 0.01, sigmaMax: 10, channels: 2, multipleOf: 4, ...(tile === undefined ? {} : { fixedSize: tile }) },
  );
const picture = (N: number, H: number, W: number) => asF32(normals(N * H * W * 2, H * 100 + W));

test("the blending weights sum to one at every pixel, whatever the size, the tile and the overlap", async () => {
  const cases = Array.from({ length: 24 }, (_, k) => ({
    N: 1 + (k % 2),
    H: integer(7 * k + 1, 1, 45),
    W: integer(7 * k + 2, 1, 45),
    tile: [8, 12, 16][k % 3] as number,
    overlap: [0, 1, 4, 7][k % 4] as number,
  }));
  cases.push({ N: 1, H: 1, W: 40, tile: 16, overlap: 4 }, { N: 1, H: 17, W: 16, tile: 16, overlap: 15 });
  for (const { N, H, W, tile, overlap } of cases) {
    const seen: string[] = [];
    const bare = pixelwise(
      (x) => lincomb(1, x),
      tile,
      (x) => seen.push(`${x.shape.slice(1, 3)}`),
    );
    const D = anySize(bare, { overlap, pixels: 3 * tile * tile });
    const x = picture(N, H, W);
    const { y } = await evaluate(() => ({ y: D(tensor([N, H, W, 2], x), 1) }));
    expectClose(y, x, { l2: 1e-6, max: 1e-5 });
    if (Math.max(H, W) > tile) expect(new Set(seen)).toEqual(new Set([`${tile},${tile}`]));
  }
});

test("its gradient is the pixel's own, also where tiles overlap, reflect and are cropped", async () => {
  for (const [H, W, tile] of [
    [21, 30, 16],
    [5, 6, undefined],
    [3, 40, 16],
  ] as const) {
    const x = picture(1, H, W);
    const dy = asF32(normals(x.length, 9));
    const { value, grad } = await evaluate(() => {
      const D = anySize(pixelwise(square, tile), { overlap: 4 });
      const { value, pullback } = vjp((z: Tensor) => D(z, 1), tensor([1, H, W, 2], x));
      return { value, grad: pullback(tensor([1, H, W, 2], dy))[0] };
    });
    expectClose(
      value,
      x.map((v) => v * v),
      { l2: 1e-6 },
    );
    expectClose(
      grad,
      x.map((v, i) => 2 * v * (dy[i] as number)),
      { l2: 1e-6 },
    );
  }
});

test("each sample of a batch keeps its noise level when it is cut into tiles", async () => {
  const bare = Object.assign(
    (x: Tensor, sigma: number | readonly number[]) => {
      const levels = sigma as readonly number[];
      expect(levels.length).toBe(x.shape[0]);
      expect(new Set(levels).size).toBe(1);
      return lincomb(levels[0] as number, x);
    },
    { ...pixelwise((x) => x, 16), fixedSize: 16 },
  ) as Denoiser;
  const x = picture(2, 20, 16);
  // one tile to a call, so that each call is of one sample
  const { y } = await evaluate(() => ({
    y: anySize(bare, { overlap: 4, pixels: 1 })(tensor([2, 20, 16, 2], x), [2, 5]),
  }));
  expectClose(
    y,
    x.map((v, i) => v * (i < x.length / 2 ? 2 : 5)),
    { l2: 1e-6 },
  );
});

test("the network's memory does not grow with the picture", async () => {
  const { pool } = fixture.gpu;
  const extra = async (side: number) => {
    const wide = pixelwise((x) => {
      let h = lincomb(1, x);
      for (let k = 0; k < 12; k++) h = lincomb(1, h);
      return h;
    }, 16);
    const x = tensor([1, side, side, 2], new Float32Array(side * side * 2));
    const before = pool.liveBytes;
    pool.peakBytes = before;
    const y = anySize(wide, { overlap: 4, pixels: 16 * 256 })(x, 1);
    y.dispose();
    const { bytes } = x;
    x.dispose();
    return { peak: pool.peakBytes - before, bytes };
  };
  const [small, large] = [await extra(100), await extra(400)];
  // what grows are copies of the picture: tiles with their overlap, parts, weighted, summed
  const perByte = (large.peak - small.peak) / (large.bytes - small.bytes);
  expect(perByte).toBeLessThan(11);
});

test("an overlap that is no overlap is refused at the door", () => {
  for (const overlap of [16, 20, -1, 2.5, Number.NaN])
    expect(() => anySize(pixelwise(square, 16), { overlap })).toThrow(/anySize: overlap expects/);
  expect(() => anySize(pixelwise(square, 16), { pixels: 0 })).toThrow(/pixels at least 1/);
});
