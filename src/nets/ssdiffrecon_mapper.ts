import { attention } from "../../kernels/attention.ts";
import { add, broadcastTo, mul } from "../../kernels/broadcast.ts";
import { affine, leakyRelu, reciprocal, sqrt } from "../../kernels/elementwise.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear } from "../../kernels/matmul.ts";
import { mean, sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Params, Specs } from "./net.ts";

/**
 * Layers at an equalised rate [Karras 2018]: what is trained has unit variance, and is divided by the root of its fan at use, so
 * that one rate suits layers of any width. `slow` makes them learn so many times slower yet.
 */
export const equal = {
  weight(specs: Specs, name: string, shape: readonly number[], slow = 1): void {
    specs[`${name}.weight`] = { shape, init: { std: slow } };
  },
  linear(specs: Specs, name: string, out: number, into: number, slow = 1): void {
    equal.weight(specs, name, [out, into], slow);
    specs[`${name}.bias`] = { shape: [out], init: 0 };
  },
  use(p: Params, name: string, slow = 1): Tensor {
    const w = p[`${name}.weight`] as Tensor;
    return lincomb(1 / slow / Math.sqrt(w.size / (w.shape[0] as number)), w);
  },
  dense(p: Params, name: string, x: Tensor, slow = 1): Tensor {
    return linear(x, equal.use(p, name, slow), lincomb(1 / slow, p[`${name}.bias`] as Tensor));
  },
};

/** Leaky ReLU of slope .2 that keeps the variance: sqrt(2) times. */
export const active = (x: Tensor): Tensor => lincomb(Math.SQRT2, leakyRelu(x, 0.2));

/** x over the root mean square of its last axis. */
export const unitRms = (x: Tensor): Tensor =>
  mul(x, reciprocal(sqrt(affine(mean(mul(x, x), { axes: [x.shape.length - 1], keep: true }), 1, 1e-8))));

export interface Latents {
  /** [N, count, width]. */
  readonly local: Tensor;
  /** [N, width]. */
  readonly global: Tensor;
}

/**
 * Tokens x [N, T, C] told by latents z [N, K, D] what matters: with one head, q = Wq x + Wx px, k = Wk z + Wz pz, v = Wv z,
 *   y = rms(x) (1 + W softmax(q k^T/sqrt(C)) v)
 */
export const told = {
  declare(specs: Specs, at: string, C: number, D: number, positions: { x: number; z: number }): void {
    for (const [name, into] of [
      ["query", C],
      ["key", D],
      ["value", D],
      ["query_position", positions.x],
      ["key_position", positions.z],
      ["out", C],
    ] as const)
      equal.linear(specs, `${at}.${name}`, C, into);
  },
  apply(p: Params, at: string, x: Tensor, z: Tensor, places: { x: Tensor; z: Tensor }): Tensor {
    return scope(() => {
      const dense = (name: string, t: Tensor) => equal.dense(p, `${at}.${name}`, t);
      const q = add(dense("query", x), dense("query_position", places.x));
      const k = add(dense("key", z), dense("key_position", places.z));
      const control = dense("out", attention(q, k, dense("value", z), { heads: 1 }));
      return mul(unitRms(x), affine(control, 1, 1));
    });
  },
};

/** The mapper's rate is a hundredth of the others'. */
const SLOW = 100;

export interface MapperConfig {
  latents: number;
  width: number;
  /** An even number. */
  layers: number;
}

export function declareMapper(specs: Specs, { latents, width: D, layers }: MapperConfig): void {
  equal.weight(specs, "mapper.time", [D, D]);
  specs["mapper.positions"] = { shape: [latents, D], init: { std: 1 } };
  for (let l = 0; l < layers / 2; l++) {
    told.declare(specs, `mapper.local.${l}.attention`, D, D, { x: D, z: D });
    for (const [part, i] of [
      ["local", 0],
      ["local", 1],
      ["global", 0],
      ["global", 1],
    ] as const)
      equal.linear(specs, `mapper.${part}.${l}.dense${i}`, D, D, SLOW);
  }
}

/**
 * Latents of a time t: all begin as W emb(t), the local ones each with its place added, at unit root mean square; then, in pairs of
 * layers, z <- active(z + W1 active(W0 z)), for the local ones after they have told each other what matters.
 * In the released code the local latents begin alike and see values that are alike, and so never come to differ.
 */
export function mapLatents(p: Params, t: readonly number[], { latents, width: D, layers }: MapperConfig): Latents {
  return scope(() => {
    const N = t.length;
    const e = linear(sinusoidal(t, D, { kind: "ddpm" }), equal.use(p, "mapper.time"));
    const positions = p["mapper.positions"] as Tensor;
    const places = reshape(positions, [1, latents, D]);
    let local = unitRms(add(broadcastTo(reshape(e, [N, 1, D]), [N, latents, D]), places));
    let global = e;
    const pair = (part: string, l: number, z: Tensor, x: Tensor) => {
      const at = `mapper.${part}.${l}.dense`;
      return active(add(z, equal.dense(p, `${at}1`, active(equal.dense(p, `${at}0`, x, SLOW)), SLOW)));
    };
    for (let l = 0; l < layers / 2; l++) {
      const seen = told.apply(p, `mapper.local.${l}.attention`, local, local, { x: places, z: places });
      local = pair("local", l, local, seen);
      global = pair("global", l, global, global);
    }
    return { local, global };
  });
}

/** Sum of the squares of each kernel, [O, I]. */
export const powers = (w: Tensor): Tensor => sumSquares(w, { axes: [2, 3] });
