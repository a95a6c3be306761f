// Against test/fixtures/edm_unet.py: what the golden files lack, on pictures that are not square.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { initParams, type Labels, type Net } from "../../src/nets/net.ts";
import { songUnet } from "../../src/nets/song_unet.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded, seededParameter } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/edm_unet.safetensors", import.meta.url)));

interface Case {
  net: Net;
  /** [N, C, H, W] */
  x: [number, number, number, number];
  t: number[];
  label?: NonNullable<Labels["label"]>;
  augments?: number;
}
const song = { resolution: 16, channels: 16, blocks: 1, embMultiplier: 2, multipliers: [1, 2, 1] };
const dhariwal = { resolution: 16, channels: 32, blocks: 1 };
const CASES: Record<string, Case> = {
  skip: {
    net: songUnet({
      ...{ ...song, attention: [8], filter: [1, 3, 3, 1], encoder: "skip", decoder: "skip" },
      ...{ classes: 3, augments: 2 },
    }),
    x: [2, 3, 8, 12],
    t: [3.25, -40.5],
    label: [
      [0.5, 0.25, -1],
      [0, 0, 1],
    ],
    augments: 2,
  },
  residual: {
    net: songUnet({
      ...{ ...song, inChannels: 2, attention: [16], filter: [1, 4, 2, 1], encoder: "residual", classes: 4 },
      ...{ embedding: "fourier", noiseMultiplier: 2 },
    }),
    x: [2, 2, 12, 4],
    t: [-0.3, 0.71],
    label: [3, 1],
  },
  heads: {
    net: dhariwalUnet({
      ...{ ...dhariwal, outChannels: 6, multipliers: [2, 1], attention: [16], headChannels: 16 },
      ...{ classes: 3, augments: 4 },
    }),
    x: [2, 3, 4, 8],
    t: [500.5, 0.125],
    label: [
      [0, 0, 1],
      [0, 0, 0],
    ],
    augments: 4,
  },
  headless: {
    net: dhariwalUnet({ ...dhariwal, inChannels: 5, multipliers: [1, 2], attention: [16, 8] }),
    x: [2, 5, 8, 4],
    t: [12, 999],
  },
};

const picture = (name: string, shape: readonly number[]) =>
  nhwc({ shape: [...shape], data: Float64Array.from(seeded(name, sizeOf(shape))) });
const want = (name: string) => {
  const entry = file.entry(name);
  const stored = { shape: [...entry.shape], data: Float64Array.from(widen(entry)) };
  return /\.(y|grad\.x)$/.test(name) ? nhwc(stored) : stored;
};
const weights = (name: string, { parameters }: Net): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(parameters).map(([key, { shape }]) => {
      const full = `${name}.${key}`;
      const values = key.endsWith("freqs")
        ? seeded(full, sizeOf(shape)).map((v) => 16 * v)
        : seededParameter(full, shape);
      return [key, tensor(shape, values)];
    }),
  );
function labelsOf(name: string, { x: [N], label, augments: A = 0 }: Case): Labels {
  const all = [...seeded(`${name}.augment`, N * A)];
  const augment = Array.from({ length: N }, (_, n) => all.slice(n * A, (n + 1) * A));
  return { ...(label && { label }), ...(A && { augment }) };
}

test.each(Object.keys(CASES))("%s: output and gradients as float64 PyTorch has them", async (name) => {
  const given = CASES[name] as Case;
  const { net, t } = given;
  const keys = file.names.flatMap((n) => (n.startsWith(`${name}.grad.`) ? [n.slice(name.length + 6)] : []));
  const labels = labelsOf(name, given);
  const x = picture(`${name}.x`, given.x);
  const y = want(`${name}.y`);
  const r = picture(`${name}.r`, file.entry(`${name}.y`).shape);
  const got = await evaluate(() => {
    const params = weights(name, net);
    const some = Object.fromEntries(keys.filter((k) => k !== "x").map((k) => [k, params[k] as Tensor]));
    const { grad } = valueAndGrad((p: { x: Tensor; some: Record<string, Tensor> }) =>
      sum(mul(net.apply({ ...params, ...p.some }, p.x, t, labels), tensor(r.shape, r.data))),
    )({ x: tensor(x.shape, x.data), some });
    return { y: net.apply(params, tensor(x.shape, x.data), t, labels), grad: { ...grad.some, x: grad.x } };
  });
  const errors = [`y ${expectClose(got.y, y.data, { l2: 1e-5 }).toExponential(1)}`];
  for (const k of keys) {
    const mine = (got.grad as Record<string, Float32Array>)[k] as Float32Array;
    const error = expectClose(mine, want(`${name}.grad.${k}`).data, { l2: 2e-5 });
    errors.push(`${k} ${error.toExponential(1)}`);
  }
  console.log(`${name}: ${errors.join(", ")}`);
});

describe("labels", () => {
  const { net, x: shape, t } = CASES.residual as Case;
  const run = (labels: Labels) =>
    net.apply(weights("residual", net), tensor([2, 12, 4, 2], picture("residual.x", shape).data), t, labels);

  test("an index is a row of zeros and a one; none is a row of zeros", async () => {
    const rows = [
      [0, 0, 0, 1],
      [0, 1, 0, 0],
    ];
    const none = [0, 1].map(() => [0, 0, 0, 0]);
    const out = await evaluate(() => [{ label: [3, 1] }, { label: rows }, {}, { label: none }].map(run));
    expect(out[0]).toEqual(out[1]);
    expect(out[2]).toEqual(out[3]);
    expect(out[0]).not.toEqual(out[2]);
  });

  test("wrong ones are refused by name", () =>
    evaluate(() => {
      expect(() => run({ label: [4, 1] })).toThrow("a class of 0 to 3 expected, got 4 for sample 0");
      expect(() => run({ label: [1] })).toThrow("2 labels expected, got 1");
      return [];
    }));
});

test("a network that was never trained gives nearly nothing", async () => {
  let state = 1;
  const rng = { number: () => ((state = (state * 48271) % 2147483647) - 0.5) / 2147483646 };
  const { skip, heads } = CASES as { skip: Case; heads: Case };
  const out = await evaluate(() =>
    [skip, heads].map((given) => {
      const [N, C, H, W] = given.x;
      const x = tensor([N, H, W, C], seeded("x", N * C * H * W));
      return given.net.apply(initParams(given.net, rng).tree, x, given.t, labelsOf("any", given));
    }),
  );
  const [song, zero] = out.map((y) => Math.sqrt(y.reduce((s, v) => s + v * v, 0) / y.length)) as [number, number];
  expect(song).toBeGreaterThan(1e-7);
  expect(song).toBeLessThan(1e-4);
  expect(zero).toBe(0);
});
