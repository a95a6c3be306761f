/** The ADM U-Net in plain loops and doubles, NHWC, walked block by block as guided-diffusion does; widths come from the biases. */
import { attention } from "../../kernels/attention.reference.ts";
import { elementwise } from "../../kernels/elementwise.reference.ts";
import { groupNorm } from "../../kernels/group_norm.reference.ts";
import { matmul } from "../../kernels/matmul.reference.ts";
import { nearestUp } from "../../kernels/nearest_up.reference.ts";
import { pixelUnshuffle } from "../../kernels/pixel_shuffle.reference.ts";
import { blockSum } from "../../kernels/pool.reference.ts";
import type { AdmConfig } from "../../src/nets/adm_unet.ts";

type Numbers = ArrayLike<number>;
export interface Features {
  data: Float64Array;
  shape: readonly [N: number, H: number, W: number, C: number];
}
export type Weights = Readonly<Record<string, Numbers>>;

const silu = (x: Float64Array) =>
  x.map((v) => (elementwise.silu as { f(x: number, a: number, b: number): number }).f(v, 0, 0));
const plus = (a: Features, b: Features): Features => ({ ...a, data: a.data.map((v, i) => v + (b.data[i] as number)) });

/** Convolution with k x k weights [O, C, k, k], zeros (k - 1) / 2 around: the product of all patches with the weights. */
export function conv({ data, shape: [N, H, W, C] }: Features, w: Numbers, bias: Numbers, stride = 1): Features {
  const O = bias.length;
  const k = Math.sqrt(w.length / (O * C));
  const border = (k - 1) / 2;
  const out = (n: number) => Math.floor((n - 1) / stride) + 1;
  const [h, v] = [out(H), out(W)];
  const K = k * k * C;
  const patches = new Float64Array(N * h * v * K);
  const turned = new Float64Array(K * O);
  for (let n = 0; n < N; n++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < v; x++)
        for (let tap = 0; tap < k * k; tap++) {
          const [i, j] = [y * stride + Math.floor(tap / k) - border, x * stride + (tap % k) - border];
          if (i < 0 || j < 0 || i >= H || j >= W) continue;
          for (let c = 0; c < C; c++)
            patches[((n * h + y) * v + x) * K + tap * C + c] = data[((n * H + i) * W + j) * C + c] as number;
        }
  for (let o = 0; o < O; o++)
    for (let c = 0; c < C; c++)
      for (let tap = 0; tap < k * k; tap++) turned[(tap * C + c) * O + o] = w[(o * C + c) * k * k + tap] as number;
  const y = matmul({ M: N * h * v, N: O, K }, patches, turned);
  return { data: y.map((a, i) => a + (bias[i % O] as number)), shape: [N, h, v, O] };
}

function concat(a: Features, b: Features): Features {
  const [N, H, W, A] = a.shape;
  const B = b.shape[3];
  const data = new Float64Array(N * H * W * (A + B));
  for (let p = 0; p < N * H * W; p++) {
    data.set(a.data.subarray(p * A, (p + 1) * A), p * (A + B));
    data.set(b.data.subarray(p * B, (p + 1) * B), p * (A + B) + A);
  }
  return { data, shape: [N, H, W, A + B] };
}

const up = ({ data, shape: [N, H, W, C] }: Features): Features => ({
  data: nearestUp(data, [N, H, W, C], 2),
  shape: [N, 2 * H, 2 * W, C],
});
const down = ({ data, shape: [N, H, W, C] }: Features): Features => ({
  data: blockSum(data, [N, H, W, C], 2, 1 / 4),
  shape: [N, H / 2, W / 2, C],
});

export function admUnet(
  c: AdmConfig,
  p: Weights,
  x: Features,
  t: readonly number[],
  label?: readonly number[],
): Features {
  const {
    blocks = 2,
    heads = 1,
    headChannels,
    scaleShift = true,
    updown = true,
    newOrder = false,
    attention: at = [],
  } = c;
  const N = t.length;
  const w = (name: string) => p[name] as Numbers;
  const dense = (e: Numbers, name: string) => {
    const [O, I] = [w(`${name}.bias`).length, e.length / N];
    const y = matmul({ M: N, N: O, K: I, transposeB: true }, e, w(`${name}.weight`));
    return y.map((v, i) => v + (w(`${name}.bias`)[i % O] as number));
  };
  const norm = (
    { data, shape }: Features,
    name: string,
    more: { silu?: boolean; scale?: Numbers; shift?: Numbers } = {},
  ) => {
    const [, H, W, C] = shape;
    const of = { N, HW: H * W, C, groups: 32, eps: 1e-5, gamma: w(`${name}.weight`), beta: w(`${name}.bias`) };
    return { data: groupNorm(data, { ...of, ...more }), shape };
  };
  const convolve = (h: Features, name: string, stride = 1) => conv(h, w(`${name}.weight`), w(`${name}.bias`), stride);

  const half = c.channels / 2;
  const waves = t.flatMap((v) => {
    const angles = Array.from({ length: half }, (_, i) => v * Math.exp((-Math.log(10000) * i) / half));
    return [...angles.map(Math.cos), ...angles.map(Math.sin)];
  });
  let emb = dense(silu(dense(waves, "time_embed.0")), "time_embed.2");
  if (c.classes)
    emb = emb.map((v, i) => {
      const width = emb.length / N;
      return v + (w("label_emb.weight")[(label as number[])[Math.floor(i / width)]! * width + (i % width)] as number);
    });

  const block = (from: Features, name: string, resample = (h: Features) => h): Features => {
    let h = convolve(resample(norm(from, `${name}.in_layers.0`, { silu: true })), `${name}.in_layers.2`);
    const e = dense(silu(emb), `${name}.emb_layers.1`);
    const [, H, W, C] = h.shape;
    const row = (first: number) =>
      Float64Array.from({ length: N * C }, (_, i) => {
        const n = Math.floor(i / C);
        return e[(n * e.length) / N + first + (i % C)] as number;
      });
    if (scaleShift) h = norm(h, `${name}.out_layers.0`, { silu: true, scale: row(0), shift: row(C) });
    else {
      const sum = { ...h, data: h.data.map((v, i) => v + (e[Math.floor(i / (H * W * C)) * C + (i % C)] as number)) };
      h = norm(sum, `${name}.out_layers.0`, { silu: true });
    }
    const x = resample(from);
    const skip = p[`${name}.skip_connection.weight`] ? convolve(x, `${name}.skip_connection`) : x;
    return plus(skip, convolve(h, `${name}.out_layers.3`));
  };
  const attend = (h: Features, name: string): Features => {
    const [, H, W, C] = h.shape;
    const many = headChannels ? C / headChannels : heads;
    const ch = C / many;
    const { data } = convolve(norm(h, `${name}.norm`), `${name}.qkv`);
    const [q, k, v] = [0, 1, 2].map((part) =>
      Float64Array.from({ length: N * H * W * C }, (_, i) => {
        const [token, head, c] = [Math.floor(i / C), Math.floor((i % C) / ch), i % ch];
        return data[token * 3 * C + (newOrder ? part * C + head * ch : head * 3 * ch + part * ch) + c] as number;
      }),
    ) as [Float64Array, Float64Array, Float64Array];
    const a = attention(q, k, v, { N, Tq: H * W, Tk: H * W, heads: many, ch });
    return plus(h, convolve({ data: a, shape: h.shape }, `${name}.proj_out`));
  };

  const levels = c.multipliers.length;
  let h = convolve(x, "input_blocks.0.0");
  const skips = [h];
  for (let level = 0, i = 1; level < levels; level++) {
    for (let k = 0; k < blocks; k++, i++) {
      h = block(h, `input_blocks.${i}.0`);
      if (at.includes(c.resolution / 2 ** level)) h = attend(h, `input_blocks.${i}.1`);
      skips.push(h);
    }
    if (level === levels - 1) break;
    h = updown ? block(h, `input_blocks.${i}.0`, down) : convolve(h, `input_blocks.${i}.0.op`, 2);
    skips.push(h);
    i++;
  }
  h = block(attend(block(h, "middle_block.0"), "middle_block.1"), "middle_block.2");
  for (let level = levels - 1, i = 0; level >= 0; level--)
    for (let k = 0; k <= blocks; k++, i++) {
      const attends = at.includes(c.resolution / 2 ** level);
      h = block(concat(h, skips.pop() as Features), `output_blocks.${i}.0`);
      if (attends) h = attend(h, `output_blocks.${i}.1`);
      if (level === 0 || k < blocks) continue;
      const name = `output_blocks.${i}.${attends ? 2 : 1}`;
      h = updown ? block(h, name, up) : convolve(up(h), `${name}.conv`);
    }
  return convolve(norm(h, "out.0", { silu: true }), "out.2");
}

/** A network on 2 x 2 blocks of pixels as channels c 4 + 2 a + b, and back. */
export function onBlocks(x: Features, net: (x: Features) => Features): Features {
  const [N, H, W, C] = x.shape;
  const y = net({ data: pixelUnshuffle(x.data, x.shape, 2), shape: [N, H / 2, W / 2, 4 * C] });
  const back = Math.floor(y.shape[3] / 4);
  const data = new Float64Array(y.data.length);
  for (let n = 0; n < N; n++)
    for (let i = 0; i < H; i++)
      for (let j = 0; j < W; j++)
        for (let c = 0; c < back; c++) {
          const pixel = (n * (H / 2) + (i >> 1)) * (W / 2) + (j >> 1);
          data[((n * H + i) * W + j) * back + c] = y.data[pixel * 4 * back + 4 * c + 2 * (i & 1) + (j & 1)] as number;
        }
  return { data, shape: [N, H, W, back] };
}
