import { add, mul } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { affine, reciprocal, sqrt, square } from "../../kernels/elementwise.ts";
import { linear } from "../../kernels/matmul.ts";
import { reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import { fixed } from "../tensor/given.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Module, type Params, type PerSample, perSample, type Specs } from "./net.ts";
import { active, declareMapper, equal, type Latents, mapLatents, powers, told } from "./ssdiffrecon_mapper.ts";

export interface SsdiffreconConfig {
  /** Unrolled blocks [6]. */
  blocks?: number;
  /** Features [64]. */
  channels?: number;
  /** Local latents [16], beside the global one. */
  latents?: number;
  /** Of a latent, a multiple of 4 [32]. */
  width?: number;
  /** Of the mapper from the time to the latents, an even number [8]. */
  layers?: number;
}

/** The picture [N, H, W, 2] with what was measured put in the place of what it says of it. */
export type Consistent = (x: Tensor) => Tensor;

/** Noisy real and imaginary parts at step t, to the picture without noise. */
export type Ssdiffrecon = Module<[x: Tensor, t: PerSample, consistent: Consistent]>;

/**
 * SSDiffRecon [Korkmaz 2023]: an unrolled network that predicts x0 from x_t, in each block of which the data are made to agree.
 *   z, g = mapper(t)                                    h = conv7(x)
 *   for each block:  h <- h + layer(layer(h))           layer: a convolution modulated by g, then what z tell of each pixel
 *                    h <- h + active(conv1(DC(conv1(h))))
 *   y = DC(conv1(h)), modulated by g
 * DC is given at each call. Weights are trained at an equalised rate. Left out: dropout (.12) of attention and the fixed pictures
 * of noise that are added to features, which tie the network to one size; without a class of contrast (the code's labels).
 */
export function ssdiffrecon(config: SsdiffreconConfig = {}): Ssdiffrecon {
  const { blocks = 6, channels: C = 64, latents = 16, width: D = 32, layers = 8 } = config;
  if (D % 4 || layers % 2)
    throw new ShapeError(`ssdiffrecon: expected a width of a multiple of 4 and even layers, got ${D} and ${layers}`);
  const parameters: Specs = {};
  declareMapper(parameters, { latents, width: D, layers });
  const modulated = (at: string, out: number, into: number, k: number) => {
    equal.weight(parameters, at, [out, into, k, k]);
    equal.linear(parameters, `${at}.style`, into, D);
  };
  equal.weight(parameters, "first", [C, 2, 7, 7]);
  for (let i = 0; i < blocks; i++) {
    for (const j of [0, 1]) {
      modulated(`blocks.${i}.${j}.conv`, C, C, 3);
      told.declare(parameters, `blocks.${i}.${j}.attention`, C, D, { x: D, z: D });
      parameters[`blocks.${i}.${j}.bias`] = { shape: [C], init: 0 };
    }
    for (const [name, out, into] of [
      ["out", 2, C],
      ["back", C, 2],
    ] as const) {
      equal.weight(parameters, `blocks.${i}.${name}`, [out, into, 1, 1]);
      parameters[`blocks.${i}.${name}.bias`] = { shape: [out], init: 0 };
    }
  }
  modulated("last", 2, C, 1);
  parameters["last.weight"] = { shape: [2, C, 1, 1], init: 0 }; // DC(0) is the zero-filled picture: it begins there
  parameters["last.bias"] = { shape: [2], init: 0 };

  /** conv(s x), s = 1 + W g for each channel; with `even`, over the norm of the kernels so scaled, as in StyleGAN 2. */
  const modconv = (p: Params, at: string, x: Tensor, g: Tensor, even = true): Tensor => {
    const N = x.shape[0] as number;
    const w = equal.use(p, at);
    const k = w.shape[2] as number;
    const s = affine(equal.dense(p, `${at}.style`, g), 1, 1);
    const y = conv2d(mul(x, reshape(s, [N, 1, 1, s.shape[1] as number])), w, { padding: k >> 1 });
    if (!even) return y;
    const d = reciprocal(sqrt(affine(linear(square(s), powers(w)), 1, 1e-8)));
    return mul(y, reshape(d, [N, 1, 1, d.shape[1] as number]));
  };
  const layer = (p: Params, at: string, x: Tensor, z: Latents, places: { x: Tensor; z: Tensor }): Tensor =>
    scope(() => {
      const [N, H, W] = x.shape as [number, number, number];
      const h = reshape(modconv(p, `${at}.conv`, x, z.global), [N, H * W, C]);
      const y = told.apply(p, `${at}.attention`, h, z.local, places);
      return active(add(reshape(y, [N, H, W, C]), p[`${at}.bias`] as Tensor));
    });
  const conv1 = (p: Params, at: string, x: Tensor) => conv2d(x, equal.use(p, at), { bias: p[`${at}.bias`] as Tensor });

  return {
    name: "ssdiffrecon",
    parameters,
    apply: (p, x, t, consistent) =>
      scope(() => {
        const [N, H, W, planes] = x.shape as [number, number, number, number];
        if (x.shape.length !== 4 || planes !== 2)
          throw new ShapeError(`ssdiffrecon: x expects [N, H, W, 2], got [${x.shape}]`);
        const z = mapLatents(p, perSample(t, N), { latents, width: D, layers });
        const places = {
          x: tensor([1, H * W, D], fixed(positions([H, W], D))),
          z: reshape(p["mapper.positions"] as Tensor, [1, latents, D]),
        };
        let h = conv2d(x, equal.use(p, "first"), { padding: 3 });
        for (let i = 0; i < blocks; i++) {
          const before = h;
          h = scope(() => {
            const at = `blocks.${i}`;
            const one = layer(p, `${at}.0`, before, z, places);
            const both = add(layer(p, `${at}.1`, one, z, places), before);
            const seen = consistent(conv1(p, `${at}.out`, both));
            return add(active(conv1(p, `${at}.back`, seen)), both);
          });
          before.dispose();
        }
        const y = modconv(p, "last", h, z.global, false);
        return consistent(add(y, p["last.bias"] as Tensor));
      }),
  };
}

/** [H W, D]: sines and cosines of x and of y, each -1 to 1, at D/4 frequencies 10000^(-4 i/D). */
function positions([H, W]: readonly [number, number], D: number): Float32Array {
  const out = new Float32Array(H * W * D);
  const quarter = D / 4;
  for (let i = 0; i < H; i++)
    for (let j = 0; j < W; j++)
      for (let f = 0; f < quarter; f++) {
        const rate = 10000 ** (-f / quarter);
        const [x, y] = [((2 * j) / Math.max(1, W - 1) - 1) * rate, ((2 * i) / Math.max(1, H - 1) - 1) * rate];
        const at = (i * W + j) * D + f;
        out[at] = Math.sin(x);
        out[at + quarter] = Math.cos(x);
        out[at + 2 * quarter] = Math.sin(y);
        out[at + 3 * quarter] = Math.cos(y);
      }
  return out;
}
