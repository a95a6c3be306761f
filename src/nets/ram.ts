import { add, broadcastTo, div, mul } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { concat, split } from "../../kernels/concat.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { convTranspose2d } from "../../kernels/conv2d_vjp_x.ts";
import { abs, affine, relu } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { crop } from "../../kernels/pad.ts";
import { mean } from "../../kernels/reduce.ts";
import { asReal, reshape } from "../../kernels/reshape.ts";
import { ShapeError } from "../errors.ts";
import type { IterationOptions } from "../linalg/cg.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Module, type Params, type PerSample, perSample, type Specs } from "./net.ts";
import { padded, proxPerSample, realPictures, type Seen, scaledDown } from "./ram_operator.ts";

export interface RamConfig {
  /** Of the four scales. */
  channels?: readonly [number, number, number, number];
  /** Residual blocks at each stage. */
  blocks?: number;
  /** Channels of the pictures that it has heads for. */
  pictures?: readonly number[];
}

export interface RamNoise {
  /** Deviation of the Gaussian part; the network is told 0.005 when there is none, and never less than 0.001. */
  sigma?: PerSample;
  /** Gain of the Poisson part, likewise. */
  gamma?: PerSample;
  /** How much smaller the measurements are along each side; by default as the operator's shapes say, else 1. */
  factor?: number;
  /** Of the conjugate gradients that make the first picture: 50 iterations, tol 1e-6. */
  solve?: IterationOptions;
}

/** Measurements and their operator to a picture. */
export interface Ram extends Module<[y: Tensor, A: LinearOperator, noise?: RamNoise]> {
  /** The first picture that the U-Net is shown: argmin over x of |Ax - y|^2/2 + rho |x - A^T y|^2/2. */
  initial(params: Params, y: Tensor, A: LinearOperator, noise?: RamNoise): Tensor;
}

const STAGES = ["m_down1", "m_down2", "m_down3", "m_body", "m_up3", "m_up2", "m_up1"] as const;
const SCALES = [0, 1, 2, 3, 2, 1, 0] as const;

/**
 * RAM [Terris 2025], a U-Net whose every block also looks through the measurement operator.
 *   x = prox of A^T y      rho = (1e-4 + (sigma + 1e-4)/(mean|y| f^2))/fact_realign, for each sample
 *   h = head [x, sigma, gamma]      4 residual blocks at each of 4 scales, 2x2 strided and transposed convolutions between
 *   block: u = relu(conv1 h)        h <- h + conv2 u + gain relu(encode z)
 *   z = [v, 4^s A_s^T A_s v] for v in A_s^T y and for the two pictures that a convolution makes of u,   A_s = A Up_s
 * y = A x of pictures in [0, 1], f32 [N, …range] (c64 where the operator's is); the picture is f32 [N, H, W, C], not
 * clamped, and of one complex channel the two parts. Rows at the top and columns at the left make sides multiples of 8.
 * The U-Net works in the type its weights are stored in, the operator in f32. `A_s^T y` and its image are made once a scale.
 *
 * Not verified against the released weights: that they give the picture they give in PyTorch. deepinv runs its conjugate
 * gradients to its own tolerance (50 iterations), so first pictures of ill-posed operators may differ by that; the centre
 * of the even low-pass of Up_s is tap L/2 - 1, as deepinv's circular convolution of 2025 has it, which earlier ones had not.
 */
export function ram(config: RamConfig = {}): Ram {
  const { channels = [64, 128, 256, 512], blocks = 4, pictures = [1, 2, 3] } = config;
  const parameters = declareRam(channels, blocks, pictures);

  const start = (p: Params, y: Tensor, A: LinearOperator, noise: RamNoise) => {
    const seen = padded(realPictures(A), 8);
    const { extent } = seen;
    if (!pictures.includes(extent[2]))
      throw new ShapeError(`ram: it has heads for pictures of ${pictures.join(", ")} channels, got ${extent[2]}`);
    const N = y.shape[0] as number;
    const each = (values: PerSample) => tensor([N, 1, 1, 1], perSample(values, N));
    const { sigma = 1e-6, factor = factorOf(A), solve } = noise;
    const size = mean(abs(reshape(y.dtype === "c64" ? asReal(y) : y, [N, -1])), { axes: [1] });
    const inverseSnr = div(affine(each(sigma), 1, 1e-4), reshape(size, [N, 1, 1, 1]));
    const rho = div(affine(inverseSnr, 1 / factor ** 2, 1e-4), reshape(p.fact_realign as Tensor, [1, 1, 1, 1]));
    const x = proxPerSample(seen, seen.adjoint(y), y, rho, { ...solve });
    return { seen, each, x };
  };

  return {
    name: "ram",
    parameters,
    initial: (p, y, A, noise = {}) =>
      scope(() => {
        const { seen, x } = start(p, y, A, noise);
        return cropped(x, seen);
      }),
    apply: (p, y, A, noise = {}) =>
      scope(() => {
        const { seen, each, x } = start(p, y, A, noise);
        const [H, W, C] = seen.extent;
        const head = pictures.indexOf(C);
        const dtype = (p[`m_head.conv${head}.weight`] as Tensor).dtype;
        const map = (values: PerSample = 5e-3) => broadcastTo(each(floored(values)), [y.shape[0] as number, H, W, 1]);
        const shown = cast(concat([x, map(noise.sigma), map(noise.gamma)]), dtype);

        // by scale: the operator, and the two pictures of y that every block there is shown
        const sights = [0, 1, 2, 3].map((s) => {
          const A = scaledDown(seen, 2 ** s);
          return { A, ofY: scope(() => krylov(A, A.adjoint(y), s)) };
        });
        const stage = (k: number, h: Tensor) => {
          const s = SCALES[k] as number;
          let now = h;
          for (let i = 0; i < blocks; i++) {
            const before = now;
            const at = `${STAGES[k]}.enc.${i}.`;
            now = scope(() => block(p, at, head, before, s, sights[s] as Sight));
            if (before !== h) before.dispose();
          }
          return now;
        };
        const down = (i: number, h: Tensor) => conv2d(h, p[`pool${i}.weight`] as Tensor, { stride: 2 });
        const up = (i: number, h: Tensor, skip: Tensor) =>
          convTranspose2d(add(h, skip), p[`up${i}.weight`] as Tensor, { stride: 2 });
        const skips = [conv2d(shown, p[`m_head.conv${head}.weight`] as Tensor, { padding: 1 })];
        for (const i of [1, 2, 3]) skips.push(scope(() => down(i, stage(i - 1, skips.at(-1) as Tensor))));
        let h = stage(3, skips[3] as Tensor);
        for (const i of [3, 2, 1]) {
          const [below, skip] = [h, skips[i] as Tensor];
          h = scope(() => stage(7 - i, up(i, below, skip)));
          below.dispose();
          skip.dispose();
        }
        const tail = p[`m_tail.conv${head}.weight`] as Tensor;
        return cropped(cast(conv2d(add(h, skips[0] as Tensor), tail, { padding: 1 }), "f32"), seen);
      }),
  };
}

/** The released network. */
export const officialRam = ({ in_channels = [1, 2, 3] }: { in_channels?: readonly number[] } = {}): Ram =>
  ram({ pictures: in_channels });

interface Sight {
  A: Seen;
  ofY: Tensor;
}

/** [v, 4^s A^T A v], the first two of a Krylov basis. */
const krylov = (A: Seen, v: Tensor, s: number): Tensor => concat([v, lincomb(4 ** s, A.adjoint(A.apply(v)))]);

function block(p: Params, at: string, head: number, x: Tensor, s: number, { A, ofY }: Sight): Tensor {
  const w = (name: string) => p[at + name] as Tensor;
  const same = { padding: 1 };
  const u = relu(conv2d(x, w("conv1.weight"), same));
  const C = A.extent[2];
  // its zero_conv_skip, and the gains of PhysicsBlock, are in the checkpoint and used by nothing
  const pictures = cast(conv2d(u, w(`PhysicsBlock.decoding_conv.tail${head}.convin.weight`), same), "f32");
  const seen = split(pictures, [C, C]).map((v) => krylov(A, v, s));
  const z = cast(concat([ofY, ...seen]), x.dtype);

  const e = (name: string) => w(`PhysicsBlock.encoding_conv.head${head}.${name}.weight`);
  const h = conv2d(z, e("convin"), { ...same, residual: conv2d(z, e("zero_conv_skip")) });
  const inner = relu(conv2d(h, e("conv10"), same));
  const encoded = conv2d(inner, e("conv20"), { ...same, residual: conv2d(h, e("skipconv0")) });
  const physics = mul(relu(encoded), reshape(cast(w("gain"), x.dtype), [1, 1, 1, 1]));
  return conv2d(u, w("conv2.weight"), { ...same, residual: add(x, physics) });
}

const cropped = (x: Tensor, { extent: [H, W], top, left }: ReturnType<typeof padded>): Tensor =>
  crop(x, [top, left, H - top, W - left]);

const floored = (values: PerSample): PerSample =>
  typeof values === "number" ? Math.max(values, 1e-3) : values.map((v) => Math.max(v, 1e-3));

/** Of an operator that makes pictures smaller, and keeps their channels. */
function factorOf({ domain, range }: LinearOperator): number {
  const [H, W, C] = domain as [number, number, number];
  const [h, w, c] = range as [number, number, number];
  return range.length === 3 && c === C && H % h === 0 && H / h === W / w ? H / h : 1;
}

function declareRam(channels: readonly number[], blocks: number, pictures: readonly number[]): Specs {
  const specs: Specs = {};
  const conv = (name: string, ...shape: [number, number, number]) => {
    const [out, into, k] = shape;
    specs[`${name}.weight`] = { shape: [out, into, k, k], init: { fanIn: into * k * k } };
  };
  const number = (name: string, init: number) => {
    specs[name] = { shape: [1], init };
  };
  number("fact_realign", 1);
  const width = (scale: number) => channels[scale] as number;
  pictures.forEach((c, i) => conv(`m_head.conv${i}`, width(0), c + 2, 3));
  STAGES.forEach((stage, k) => {
    const n = width(SCALES[k] as number);
    for (let i = 0; i < blocks; i++) {
      const at = `${stage}.enc.${i}`;
      number(`${at}.gain`, 1);
      conv(`${at}.conv1`, n, n, 3);
      conv(`${at}.conv2`, n, n, 3);
      number(`${at}.PhysicsBlock.gain`, 1);
      for (const unused of ["gradx", "grady", "pinvx", "pinvy"]) number(`${at}.PhysicsBlock.gain_${unused}`, 1e-2);
      pictures.forEach((c, j) => {
        conv(`${at}.PhysicsBlock.decoding_conv.tail${j}.convin`, 2 * c, n, 3);
        conv(`${at}.PhysicsBlock.decoding_conv.tail${j}.zero_conv_skip`, 2 * c, n, 1);
      });
      pictures.forEach((c, j) => {
        const head = `${at}.PhysicsBlock.encoding_conv.head${j}`;
        conv(`${head}.convin`, 6 * c, 6 * c, 3);
        conv(`${head}.zero_conv_skip`, 6 * c, 6 * c, 1);
        conv(`${head}.conv10`, 6 * c, 6 * c, 3);
        conv(`${head}.conv20`, n, 6 * c, 3);
        conv(`${head}.skipconv0`, n, 6 * c, 1);
      });
    }
  });
  for (const i of [1, 2, 3]) conv(`pool${i}`, width(i), width(i - 1), 2);
  for (const i of [3, 2, 1]) conv(`up${i}`, width(i), width(i - 1), 2); // transposed: [in, out, 2, 2]
  pictures.forEach((c, i) => conv(`m_tail.conv${i}`, c, width(0), 3));
  return specs;
}
