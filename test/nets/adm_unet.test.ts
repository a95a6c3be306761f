import { describe, expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { type AdmConfig, admUnet } from "../../src/nets/adm_unet.ts";
import type { Net } from "../../src/nets/net.ts";
import { spaceToDepth } from "../../src/nets/space_to_depth.ts";
import { fromHalf, toHalf } from "../../src/tensor/half.ts";
import type { DType } from "../../src/tensor/shape.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";
import { type Features, onBlocks, admUnet as reference, type Weights } from "./adm_unet.reference.ts";

withGpu();

interface Case {
  config: AdmConfig;
  x: Features["shape"];
  t: number[];
  label?: number[];
  /** On 2 x 2 blocks of pixels. */
  blocks?: boolean;
}
const base = { resolution: 16, channels: 32, multipliers: [1, 2], blocks: 1 };
const CASES: Record<string, Case> = {
  "as released: scale and shift, resampling blocks, legacy order, heads of 16 channels at 8 x 8": {
    config: { ...base, attention: [8], headChannels: 16 },
    x: [2, 16, 16, 3],
    t: [3.5, 981],
  },
  "added embedding, resampling by convolutions, new order, 4 heads at full size": {
    config: {
      ...base,
      multipliers: [2, 2],
      attention: [16],
      scaleShift: false,
      updown: false,
      newOrder: true,
      heads: 4,
    },
    x: [2, 8, 12, 3],
    t: [0, 40],
  },
  "by class, three levels, heads of 2 channels in the middle only": {
    config: { ...base, multipliers: [1, 1, 2], heads: 32, classes: 5, outChannels: 6 },
    x: [2, 8, 12, 3],
    t: [12, 700.25],
    label: [4, 1],
  },
  "new order with scale and shift, strided convolutions, two blocks a level, one sample": {
    config: { ...base, blocks: 2, updown: false, newOrder: true, heads: 2, attention: [8] },
    x: [1, 12, 8, 3],
    t: [500],
  },
  "added embedding with resampling blocks, legacy order, two heads": {
    config: { ...base, scaleShift: false, heads: 2, attention: [16, 8] },
    x: [2, 8, 8, 3],
    t: [1, 2],
  },
  "on blocks of pixels": {
    config: { ...base, resolution: 8, inChannels: 12, outChannels: 12, attention: [4], headChannels: 32 },
    x: [2, 16, 24, 3],
    t: [250, -300],
    blocks: true,
  },
};

/** All parameters random, none zero; norms about one. */
const randomWeights = ({ parameters }: Net): Record<string, Float64Array> =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, { shape }], i) => {
      const scale = shape.length === 1 ? 0.3 : (sizeOf(shape) / (shape[0] as number)) ** -0.5;
      const norm = shape.length === 1 && /norm\.weight|layers\.0\.weight|out\.0\.weight/.test(name);
      return [name, asF32(normals(sizeOf(shape), 100 + i).map((v) => scale * v + (norm ? 1 : 0)))];
    }),
  );
const rounded = (x: Float64Array) => x.map((v) => fromHalf(toHalf(v)));
const inner = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += (a[i] as number) * (b[i] as number);
  return s;
};

function setUp({ config, x: shape, t, label, blocks }: Case) {
  const net = blocks ? spaceToDepth(admUnet(config), 2) : admUnet(config);
  const of = (x: Features, weights: Weights) => {
    const run = (h: Features) => reference(config, weights, h, t, label);
    return blocks ? onBlocks(x, run) : run(x);
  };
  const weights = randomWeights(net);
  const upload = (dtype: DType = "f32", from = weights) =>
    Object.fromEntries(
      Object.entries(net.parameters).map(([name, { shape }]) => [
        name,
        tensor(shape, from[name] as Float64Array, shape.length > 1 ? dtype : "f32"),
      ]),
    );
  return { net, of, weights, upload, x: asF32(normals(sizeOf(shape), 1)) };
}

test.each(Object.keys(CASES))("%s", async (name) => {
  const given = CASES[name] as Case;
  const { net, of, weights, upload, x } = setUp(given);
  const { y } = await evaluate(() => ({ y: net.apply(upload(), tensor(given.x, x), given.t, { label: given.label }) }));
  const want = of({ data: x, shape: given.x }, weights);
  expect(want.shape[3]).toBe(net.outChannels);
  const error = expectClose(y, want.data, { l2: 1e-5 });
  console.log(`f32, ${name}: ${error.toExponential(1)}`);
});

/**
 * Each of some forty layers rounds what it stores to 11 bits, an error of 2^-11/sqrt(3) of each number: 1.8e-3 if all
 * of them arrived whole at the end.
 */
test.each(Object.keys(CASES).slice(0, 3))("in f16, %s", async (name) => {
  const given = CASES[name] as Case;
  const { net, of, weights, upload, x } = setUp(given);
  const halves = Object.fromEntries(
    Object.entries(weights).map(([k, w]) => [k, (net.parameters[k]?.shape.length ?? 0) > 1 ? rounded(w) : w]),
  );
  const { y } = await evaluate(() => {
    const out = net.apply(upload("f16", halves), tensor(given.x, x, "f16"), given.t, { label: given.label });
    expect(out.dtype).toBe("f16");
    return { y: out };
  });
  const error = expectClose(y, of({ data: rounded(x), shape: given.x }, halves).data, { l2: 4e-3 });
  console.log(`f16, ${name}: ${error.toExponential(1)}`);
});

describe("gradients of <r, y>, along themselves and along a random direction", () => {
  const wanted: Record<string, string[]> = {
    [Object.keys(CASES)[0] as string]: [
      "input_blocks.1.0.emb_layers.1.weight",
      "middle_block.1.qkv.weight",
      "out.0.weight",
    ],
    [Object.keys(CASES)[1] as string]: [
      "time_embed.0.weight",
      "input_blocks.2.0.op.weight",
      "output_blocks.1.1.conv.weight",
    ],
    [Object.keys(CASES)[2] as string]: [
      "label_emb.weight",
      "output_blocks.3.0.skip_connection.weight",
      "middle_block.1.norm.bias",
    ],
  };
  test.each(Object.keys(wanted))("%s", async (name) => {
    const whole = CASES[name] as Case;
    // few pixels are soon done, but norms over one or two of them are too steep for differences
    const given: Case = { ...whole, x: [2, whole.config.multipliers.length > 2 ? 8 : 4, 8, 3] };
    const { net, of, weights, upload, x } = setUp(given);
    const keys = wanted[name] as string[];
    const y = of({ data: x, shape: given.x }, weights);
    const r = asF32(normals(y.data.length, 2));
    const { x: gx, some } = await evaluate(() => {
      const params = upload();
      const picked = Object.fromEntries(keys.map((k) => [k, params[k] as Tensor]));
      return valueAndGrad((p: { x: Tensor; some: Record<string, Tensor> }) =>
        sum(mul(net.apply({ ...params, ...p.some }, p.x, given.t, { label: given.label }), tensor(y.shape, r))),
      )({ x: tensor(given.x, x), some: picked }).grad;
    });
    /** The derivative along unit directions, one for each of the tensors that move. */
    const slope = (along: Record<string, Float64Array>) => {
      const value = (h: number) => {
        const moved = ([k, d]: [string, Float64Array]) => {
          const from = k === "x" ? x : (weights[k] as Float64Array);
          return [k, from.map((v, i) => v + h * (d[i] as number))];
        };
        const { x: at = x, ...some }: Record<string, Float64Array> = Object.fromEntries(
          Object.entries(along).map(moved),
        );
        return inner(of({ data: at, shape: given.x }, { ...weights, ...some }).data, r);
      };
      return (value(1e-4) - value(-1e-4)) / 2e-4;
    };
    const grads = Object.entries({ x: gx, ...some });
    const errors = grads.map(([key, g]) => {
      const length = Math.sqrt(inner(g, g));
      const own = Math.abs(1 - slope({ [key]: Float64Array.from(g, (v) => v / length) }) / length);
      expect(own, `${key} along itself`).toBeLessThan(1e-4);
      return `${key} ${own.toExponential(1)}`;
    });
    // a random direction, all of them at once: it sees 1/sqrt(n) of each gradient, and of its error
    const any = Object.fromEntries(
      grads.map(([key, g], i) => {
        const length = Math.sqrt(inner(g, g));
        return [key, normals(g.length, 3 + i).map((v) => v / length)];
      }),
    );
    const got = grads.reduce((s, [key, g]) => s + inner(g, any[key] as Float64Array), 0);
    expect(Math.abs(got - slope(any))).toBeLessThan(1e-3);
    console.log(errors.join(", "));
  });
});

test("a label that is missing, and channels that do not divide into groups, are named", () => {
  const { net, upload, x } = setUp(CASES[Object.keys(CASES)[2] as string] as Case);
  return evaluate(() => {
    expect(() => net.apply(upload(), tensor([2, 8, 12, 3], x), [1, 2])).toThrow("2 labels expected, got none");
    expect(() => admUnet({ resolution: 8, channels: 48, multipliers: [1] })).toThrow("48 channels do not divide");
    return [];
  });
});
