import { expect, test } from "vitest";
import * as reference from "../../kernels/attention.reference.ts";
import { attention, attentionQkv } from "../../kernels/attention.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { halvesFrom, halvesTo } from "../../src/tensor/half.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

const fixture = withGpu();
type DType = "f32" | "f16";
const rounded = (x: ArrayLike<number>, dtype: DType) =>
  dtype === "f16" ? Float64Array.from(halvesTo(halvesFrom(x))) : asF32(x);

interface Case extends reference.Reference {
  dtype?: DType;
  /** Size of the queries' entries. */
  spread?: number;
}
const data = ({ N, Tq, Tk, heads, ch, dtype = "f32", spread = 1 }: Case) => {
  const draw = (T: number, seed: number, s = 1) =>
    rounded(
      normals(N * T * heads * ch, seed).map((x) => s * x),
      dtype,
    );
  return { q: draw(Tq, 1, spread), k: draw(Tk, 2), v: draw(Tk, 3), dy: draw(Tq, 4) };
};

/** The op and its gradients against the reference. */
async function compare(c: Case) {
  const { N, Tq, Tk, heads, ch, scale, dtype = "f32" } = c;
  if (dtype === "f16" && !fixture.gpu.f16) return;
  const { q, k, v, dy } = data(c);
  const [rows, keys] = [
    [N, Tq, heads * ch],
    [N, Tk, heads * ch],
  ];
  const got = await evaluate(() => {
    const inputs = [tensor(rows, q, dtype), tensor(keys, k, dtype), tensor(keys, v, dtype)] as const;
    const { value, pullback } = vjp((q, k, v) => attention(q, k, v, scale ? { heads, scale } : { heads }), ...inputs);
    return { value, grads: pullback(tensor(rows, dy, dtype)) };
  });
  const want = reference.attentionVjp(q, k, v, dy, c);
  const tolerance = { l2: dtype === "f16" ? 2e-3 : 1e-5 };
  expectClose(got.value, reference.attention(q, k, v, c), tolerance);
  // with one key its gradient is nothing, and so is the rounding
  if (Tk > 1) expectClose(got.grads[0], want.dq, tolerance);
  if (Tk > 1) expectClose(got.grads[1], want.dk, tolerance);
  expectClose(got.grads[2], want.dv, tolerance);
}

test.each<Case>([
  { N: 2, Tq: 9, Tk: 13, heads: 3, ch: 8 },
  { N: 2, Tq: 33, Tk: 5, heads: 2, ch: 6 },
  { N: 1, Tq: 1, Tk: 1, heads: 1, ch: 4 },
  { N: 3, Tq: 64, Tk: 64, heads: 4, ch: 32 },
  { N: 1, Tq: 70, Tk: 131, heads: 1, ch: 132 },
  { N: 1, Tq: 17, Tk: 40, heads: 1, ch: 512, scale: 0.1 },
  { N: 1, Tq: 2, Tk: 7, heads: 5, ch: 3 },
  // more rows of logits than one block of scratch holds, within a head
  { N: 1, Tq: 1100, Tk: 1030, heads: 1, ch: 4 },
  { N: 2, Tq: 7, Tk: 9, heads: 2, ch: 8, dtype: "f16" },
])("forward and every gradient: %j", compare);

// The rows of the tiles are 16, 32 and 64, by the number of workgroups. Software adapters compile each for half a minute,
// so that they are given one.
const TILES: Case[] = [
  { N: 2, Tq: 17, Tk: 37, heads: 3, ch: 8 },
  { N: 16, Tq: 33, Tk: 5, heads: 8, ch: 4 },
  { N: 129, Tq: 9, Tk: 33, heads: 2, ch: 36 },
  { N: 1, Tq: 9, Tk: 20, heads: 1, ch: 260 },
  { N: 1, Tq: 130, Tk: 70, heads: 2, ch: 64 },
  { N: 2, Tq: 7, Tk: 9, heads: 2, ch: 8, dtype: "f16" },
];
test.each(TILES)("the schedule of a GPU: %j", async (c) => {
  const gpu = fixture.gpu as { software: boolean };
  const { software } = gpu;
  if (software && c !== TILES[0]) return console.log("skipped: a tile that a software adapter compiles too slowly");
  gpu.software = false;
  await compare(c).finally(() => {
    gpu.software = software;
  });
});

const ORDERS = {
  legacy: (h: number, part: number, c: number, _: number, ch: number) => h * 3 * ch + part * ch + c,
  new: (h: number, part: number, c: number, heads: number, ch: number) => part * heads * ch + h * ch + c,
  edm: (h: number, part: number, c: number, _: number, ch: number) => (h * ch + c) * 3 + part,
};
const names = Object.keys(ORDERS) as (keyof typeof ORDERS)[];

test.each(names.flatMap((order) => [8, 5].map((ch) => ({ order, ch }))))(
  "q, k and v in one tensor: %j",
  async ({ order, ch }) => {
    const of = { N: 2, Tq: 11, Tk: 11, heads: 3, ch };
    const { q, k, v, dy } = data(of);
    const { N, Tq, heads } = of;
    const C = heads * ch;
    /** Three tensors as one, in the order. */
    const join = (parts: readonly ArrayLike<number>[]) => {
      const out = new Float64Array(N * Tq * 3 * C);
      parts.forEach((x, part) => {
        for (let i = 0; i < x.length; i++) {
          const [t, h, c] = [Math.floor(i / C), Math.floor((i % C) / ch), i % ch];
          out[t * 3 * C + ORDERS[order](h, part, c, heads, ch)] = x[i] as number;
        }
      });
      return out;
    };
    const got = await evaluate(() => {
      const { value, pullback } = vjp(
        (x) => attentionQkv(x, { heads, order }),
        tensor([N, Tq, 3 * C], join([q, k, v])),
      );
      return { value, grad: pullback(tensor([N, Tq, C], dy))[0] };
    });
    const { dq, dk, dv } = reference.attentionVjp(q, k, v, dy, of);
    expectClose(got.value, reference.attention(q, k, v, of));
    expectClose(got.grad, join([dq, dk, dv]));
  },
);

test("logits of ±80 and more stay finite, and a constant added to the keys changes nothing", async () => {
  const of = { N: 1, Tq: 40, Tk: 50, heads: 2, ch: 8, scale: 1, spread: 30 };
  const { q, k, v, dy } = data(of);
  const shape = [1, 50, 16];
  const moved = asF32(k.map((x, i) => x + ((i % 16) - 8) / 8));
  const got = await evaluate(() => {
    const f = (k: ReturnType<typeof tensor>) =>
      attention(tensor([1, 40, 16], q), k, tensor(shape, v), { heads: 2, scale: 1 });
    const { value, pullback } = vjp(f, tensor(shape, k));
    return { value, dk: pullback(tensor([1, 40, 16], dy))[0], moved: f(tensor(shape, moved)) };
  });
  const want = reference.attention(q, k, v, of);
  // a float of 100 is good to 1e-5, and so is the weight that it gives
  expectClose(got.value, want, { l2: 5e-5 });
  expectClose(got.moved, want, { l2: 5e-5 });
  const { dk } = reference.attentionVjp(q, k, v, dy, of);
  expectClose(got.dk, dk, { l2: 5e-5 });
  // the gradient of a bias of the keys: the sum over them
  const size = Math.sqrt(dk.reduce((s, x) => s + x * x, 0));
  for (let c = 0; c < 16; c++) {
    let sum = 0;
    for (let j = 0; j < 50; j++) sum += got.dk[j * 16 + c] as number;
    expect(Math.abs(sum) / size).toBeLessThan(1e-5);
  }
});

test("the reference's gradient is the slope of the reference", () => {
  const of = { N: 1, Tq: 5, Tk: 6, heads: 2, ch: 4 };
  const { q, k, v, dy } = data(of);
  const inputs = [q, k, v];
  const grads = Object.values(reference.attentionVjp(q, k, v, dy, of));
  const value = (x: Float64Array[]) =>
    reference
      .attention(...(x as [Float64Array, Float64Array, Float64Array]), of)
      .reduce((s, o, i) => s + o * (dy[i] as number), 0);
  const h = 1e-6;
  grads.forEach((g, which) => {
    for (const d of [g, normals(g.length, 7)]) {
      const moved = (sign: number) =>
        inputs.map((x, i) => (i === which ? x.map((e, j) => e + sign * h * (d[j] as number)) : x));
      const slope = (value(moved(1)) - value(moved(-1))) / (2 * h);
      expect(slope / g.reduce((s, x, i) => s + x * (d[i] as number), 0)).toBeCloseTo(1, 4);
    }
  });
});

test("refuses what does not fit, by name and numbers", async () => {
  await evaluate(() => {
    const x = tensor([1, 2, 6], normals(12));
    expect(() => attention(x, x, x, { heads: 4 })).toThrow("attention: 6 channels do not divide into 4 heads");
    expect(() => attention(x, tensor([1, 2, 5], normals(10)), x, { heads: 1 })).toThrow(
      "k and v expect [1, tokens, 6] both, got [1,2,5] and [1,2,6]",
    );
    expect(() => attentionQkv(tensor([1, 2, 7], normals(14)), { heads: 1, order: "new" })).toThrow(
      "three times the channels, got 7",
    );
    return [];
  });
});
