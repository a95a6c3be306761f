import { expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { rng } from "../../kernels/random.ts";
import { warp as warpReference } from "../../kernels/warp.reference.ts";
import { initParams } from "../../src/nets/net.ts";
import { songUnet } from "../../src/nets/song_unet.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { AUGMENT_LABELS, augmented, drawAugmentation, edmAugment } from "../../src/train/augment.ts";
import { edmRecipe } from "../../src/train/edm_recipe.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();
const always = { p: 1, xflip: 1, yflip: 1, scale: 1, rotate: 1, aniso: 1, translate: 1 };

test("the label says all of the map: rebuilt from it as EDM builds it", () => {
  const times = (A: number[][], B: number[][]) =>
    A.map((row) =>
      (B[0] as number[]).map((_, j) => row.reduce((sum, a, k) => sum + a * ((B[k] as number[])[j] as number), 0)),
    );
  const scale = (x: number, y: number) => [
    [x, 0, 0],
    [0, y, 0],
    [0, 0, 1],
  ];
  const turn = (a: number) => [
    [Math.cos(a), -Math.sin(a), 0],
    [Math.sin(a), Math.cos(a), 0],
    [0, 0, 1],
  ];
  for (let seed = 0; seed < 20; seed++) {
    const { map, label } = drawAugmentation(rng(seed), [12, 20], always);
    expect(label.length).toBe(AUGMENT_LABELS);
    const [fx, fy, zoom, cos1, sin, ax, ay, dx, dy] = label as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const s = 2 ** (0.2 * zoom);
    // a stretch by w along r is one by -w along r + 180 degrees less 2^(.2 w): the sign is told by the angle's own range
    const candidates = [1, -1].map((sign) => {
      const [w, r] = [sign * Math.hypot(ax, ay), Math.atan2(sign * ay, sign * ax)];
      const t = 2 ** (0.2 * w);
      const inverse = [
        scale(fx ? -1 : 1, fy ? -1 : 1),
        scale(1 / s, 1 / s),
        turn(Math.atan2(sin, cos1 + 1)),
        turn(-r),
        scale(1 / t, t),
        turn(r),
        [
          [1, 0, (-dx * 20) / 8],
          [0, 1, (-dy * 12) / 8],
          [0, 0, 1],
        ],
      ].reduce(times);
      return [...(inverse[0] as number[]), ...(inverse[1] as number[])];
    });
    const off = candidates.map((c) => Math.max(...c.map((v, i) => Math.abs(v - (map[i] as number)))));
    expect(Math.min(...off)).toBeLessThan(1e-9);
  }
});

test("as often as EDM's: half are flipped, and p of the rest happens", () => {
  const random = rng(5);
  const n = 4000;
  const counts = new Array<number>(AUGMENT_LABELS).fill(0);
  for (let i = 0; i < n; i++)
    drawAugmentation(random, [8, 8]).label.forEach((v, k) => {
      counts[k] = (counts[k] as number) + (v === 0 ? 0 : 1) / n;
    });
  // xflip a coin; yflip p of a coin; scale, turn (cos and sin), stretch, shift: p
  const want = [0.5, 0.06, 0.12, 0.12, 0.12, 0.12, 0.06, 0.12, 0.12];
  counts.forEach((c, k) => {
    expect(Math.abs(c - (want[k] as number)), `label ${k}: ${c}`).toBeLessThan(4 * Math.sqrt(0.25 / n));
  });
});

test("pictures go through their maps, each its own; with nothing asked they stay as they are", async () => {
  const shape = [3, 8, 10, 3] as const;
  const x = asF32(normals(720, 1));
  const twin = rng(9);
  const maps = Array.from({ length: 3 }, () => drawAugmentation(twin, [8, 10], always).map);
  const out = await evaluate(() => {
    const t = tensor(shape, x);
    return { some: augmented(t, rng(9), always).x, none: augmented(t, rng(9), { p: 0 }).x };
  });
  expectClose(out.some, warpReference(x, shape, maps), { l2: 1e-5 });
  expect(out.none).toEqual(Float32Array.from(x));
});

test("EDM's training tells its network what was done", async () => {
  const net = songUnet({ resolution: 8, channels: 16, multipliers: [1], blocks: 1, augments: AUGMENT_LABELS });
  const told: (readonly (readonly number[])[] | undefined)[] = [];
  const make = (augment?: typeof edmAugment) =>
    edmRecipe({
      ...{ data: [], size: 8, batch: 2, init: (random) => initParams(net, random) },
      F: (params, x, logSigma, labels) => {
        told.push(labels);
        return net.apply(
          params,
          x,
          logSigma.map((l) => l / 4),
          labels ? { augment: labels } : {},
        );
      },
      augment,
    });
  const { tree, chunks } = make().init(rng(1));
  const pictures = scope(() => add(mul(rng(2).normal([2, 8, 8, 3]), tensor([], [0.3])), tensor([], [0.1])));
  for (const augment of [undefined, { ...edmAugment, p: 1 }] as (typeof edmAugment | undefined)[]) {
    const at = { step: 0, random: rng(3), scalars: {} };
    const [loss] = await evaluate(() => make(augment).loss(tree as Record<string, Tensor>, pictures, at));
    expect(loss).toBeGreaterThan(0);
  }
  expect(told[0]).toBeUndefined();
  expect(told[1]?.map((row) => row.length)).toEqual([9, 9]);
  dispose([tree, chunks, pictures]);
});
