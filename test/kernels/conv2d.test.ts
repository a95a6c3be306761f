import { describe, expect, test } from "vitest";
import { type Case, conv2dVjpW, conv2dVjpX, outputShape, conv2d as reference } from "../../kernels/conv2d.reference.ts";
import { type Conv2dOptions, conv2d } from "../../kernels/conv2d.ts";
import { convTranspose2d } from "../../kernels/conv2d_vjp_x.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { dot } from "../../kernels/reduce.ts";
import { valueAndGrad, vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, integer, normals } from "../lib/random.ts";

withGpu();

const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const random = (shape: readonly number[], seed: number) => asF32(normals(size(shape), seed));
const mutable = (shape: readonly number[]) => [...shape];
const settings = ({ stride, padding, groups }: Case): Conv2dOptions => ({
  stride: stride ?? 1,
  padding: padding ?? 0,
  groups: groups ?? 1,
});

const same = [1, 1, 1, 1] as const;
const CASES: Record<string, Case> = {
  "the prior's first layer": { x: [2, 32, 32, 12], w: [32, 12, 3, 3], padding: same },
  "the prior's last layer": { x: [1, 16, 16, 32], w: [12, 32, 3, 3], padding: same },
  "wide rows": { x: [1, 5, 64, 32], w: [32, 32, 3, 3], padding: same },
  "enough work for wide tiles": { x: [2, 9, 32, 64], w: [64, 64, 3, 3], padding: same },
  "8 x 8": { x: [3, 8, 8, 64], w: [64, 64, 3, 3], padding: same },
  "4 x 4": { x: [2, 4, 4, 16], w: [8, 16, 3, 3], padding: same },
  "odd sizes": { x: [2, 19, 37, 8], w: [20, 8, 3, 3], padding: same },
  "one pixel": { x: [1, 1, 1, 4], w: [4, 4, 3, 3], padding: same },
  "1 x 1": { x: [2, 9, 7, 24], w: [16, 24, 1, 1] },
  "1 x 1, odd channels": { x: [2, 9, 7, 5], w: [3, 5, 1, 1] },
  tokens: { x: [2, 1, 100, 32], w: [96, 32, 1, 1] },
  "1 x 1, stride 2": { x: [1, 9, 8, 8], w: [8, 8, 1, 1], stride: [2, 2] },
  "5 x 5": { x: [1, 13, 11, 4], w: [8, 4, 5, 5], padding: [2, 2, 2, 2] },
  "1 x 7": { x: [2, 6, 11, 8], w: [12, 8, 1, 7], padding: [0, 0, 3, 3] },
  "7 x 1": { x: [2, 11, 6, 8], w: [12, 8, 7, 1], padding: [3, 3, 0, 0] },
  "1 x 3, odd channels": { x: [1, 5, 6, 5], w: [3, 5, 1, 3], padding: [0, 0, 1, 1] },
  "3 x 1, odd channels": { x: [1, 6, 5, 5], w: [3, 5, 3, 1], padding: [1, 1, 0, 0] },
  "11 x 11, stride 4": { x: [1, 39, 43, 3], w: [8, 3, 11, 11], stride: [4, 4], padding: [2, 2, 2, 2] },
  "2 x 3, no padding": { x: [1, 6, 9, 4], w: [4, 4, 2, 3] },
  "picture in": { x: [1, 20, 18, 3], w: [16, 3, 3, 3], padding: same },
  "picture out": { x: [1, 20, 18, 16], w: [3, 16, 3, 3], padding: same },
  "stride 2, padded below and right": { x: [1, 16, 16, 8], w: [8, 8, 3, 3], stride: [2, 2], padding: [0, 1, 0, 1] },
  "stride 2, odd": { x: [2, 11, 9, 4], w: [8, 4, 3, 3], stride: [2, 2], padding: same },
  "strides 3 and 2": { x: [1, 17, 15, 4], w: [4, 4, 5, 4], stride: [3, 2], padding: [2, 1, 0, 3] },
  "stride beyond the kernel": { x: [1, 10, 10, 4], w: [4, 4, 2, 2], stride: [3, 3] },
  groups: { x: [1, 7, 9, 24], w: [16, 12, 3, 3], padding: same, groups: 2 },
  "groups of odd size": { x: [2, 6, 5, 9], w: [6, 3, 3, 3], padding: same, groups: 3 },
  depthwise: { x: [2, 9, 12, 8], w: [8, 1, 3, 3], padding: same, groups: 8 },
  "depthwise, two for one": { x: [1, 6, 6, 3], w: [6, 1, 5, 5], padding: [2, 2, 2, 2], groups: 3 },
  "padding beyond the kernel": { x: [1, 3, 3, 4], w: [4, 4, 2, 2], padding: [3, 0, 1, 4] },
};
for (let seed = 1; seed <= 8; seed++) {
  const [G, s, t] = [integer(seed, 1, 2), integer(seed + 20, 1, 2), integer(seed + 30, 1, 3)];
  const [I, O, KH, KW] = [
    integer(seed + 40, 1, 9),
    integer(seed + 50, 1, 9),
    integer(seed + 60, 1, 4),
    integer(seed + 70, 1, 4),
  ];
  CASES[`random ${seed}`] = {
    x: [integer(seed + 80, 1, 3), integer(seed + 90, 4, 20), integer(seed + 100, 4, 20), G * I],
    w: [G * O, I, KH, KW],
    stride: [s, t],
    padding: [integer(seed + 110, 0, KH), 1, integer(seed + 120, 0, KW), 0],
    groups: G,
  };
}

describe.each(Object.entries(CASES))("%s", (_, c) => {
  const out = outputShape(c);
  const [x, w, bias, residual, dy] = [
    random(c.x, 1),
    random(c.w, 2),
    random([c.w[0]], 3),
    random(out, 4),
    random(out, 5),
  ];
  const scale = 0.75;

  test("forward and gradients", async () => {
    const got = await evaluate(() => {
      const args = [
        tensor(mutable(c.x), x),
        tensor(mutable(c.w), w),
        tensor([c.w[0]], bias),
        tensor(mutable(out), residual),
      ] as const;
      const plain = conv2d(args[0], args[1], settings(c));
      const f = (...[a, b, d, r]: Tensor[]) =>
        conv2d(a as Tensor, b as Tensor, { ...settings(c), bias: d, residual: r, scale });
      const { value, pullback } = vjp(f, ...args);
      return { plain, value, grads: pullback(tensor(mutable(out), dy)) };
    });
    expectClose(got.plain, reference(c, x, w));
    expectClose(got.value, reference(c, x, w, { bias, residual, scale }));
    const scaled = dy.map((v) => scale * v);
    expectClose(got.grads[0] as Float32Array, conv2dVjpX(c, scaled, w));
    expectClose(got.grads[1] as Float32Array, conv2dVjpW(c, x, scaled));
    const db = new Float64Array(c.w[0]);
    scaled.forEach((v, i) => {
      db[i % db.length] = (db[i % db.length] as number) + v;
    });
    expectClose(got.grads[2] as Float32Array, db);
    expectClose(got.grads[3] as Float32Array, scaled);
  });
});

const HALF = ["the prior's first layer", "1 x 1", "picture out", "stride 2, odd", "depthwise"];
test.each(HALF)("f16 storage: %s", async (name) => {
  const c = CASES[name] as Case;
  const out = outputShape(c);
  const half = (shape: readonly number[], seed: number) =>
    Float64Array.from(normals(size(shape), seed), (v) => Math.round(v * 256) / 256);
  const [x, w, dy, bias] = [half(c.x, 1), half(c.w, 2), half(out, 3), half([c.w[0]], 4)];
  const got = await evaluate(() => {
    const both = (["f16", "f32"] as const).map((dtype) => {
      const args = [tensor(mutable(c.x), x, "f16"), tensor(mutable(c.w), w, dtype)] as const;
      const { value, pullback } = vjp(
        (a: Tensor, b: Tensor) => conv2d(a, b, { ...settings(c), bias: tensor([c.w[0]], bias) }),
        ...args,
      );
      return { value, grads: pullback(tensor(mutable(out), dy, "f16")) };
    });
    return both;
  });
  for (const { value, grads } of got) {
    expectClose(value, reference(c, x, w, { bias }), { l2: 2e-3 });
    expectClose(grads[0], conv2dVjpX(c, dy, w), { l2: 2e-3 });
    expectClose(grads[1], conv2dVjpW(c, x, dy), { l2: 2e-3 });
  }
});

const TILED: Record<string, Case> = {
  "8 x 8, as a tile": CASES["8 x 8"] as Case,
  "odd sizes, as a tile": CASES["odd sizes"] as Case,
  "stride 2, as a tile": CASES["stride 2, odd"] as Case,
  "strides 3 and 2, as a tile": CASES["strides 3 and 2"] as Case,
  "groups, as a tile": CASES.groups as Case,
  "1 x 1, as a tile": CASES["1 x 1"] as Case,
  "1 x 7, as a tile": CASES["1 x 7"] as Case,
  "7 x 1, as a tile": CASES["7 x 1"] as Case,
  "more channels than a tile": { x: [1, 9, 9, 20], w: [132, 20, 3, 3], padding: same },
};
/** What a software adapter runs where its subgroups are too small; the others in CASES run as the adapter chooses. */
const DIRECT = ["the prior's first layer", "enough work for wide tiles", "stride 2, odd", "groups", "1 x 1"] as const;
const FORCED = [
  ...Object.entries(TILED).map(([name, c]) => [name, "tile", c] as const),
  ...DIRECT.map((name) => [`${name}, direct`, "direct", CASES[name] as Case] as const),
].flatMap(([name, schedule, c]) => (["f32", "f16"] as const).map((dtype) => [name, dtype, schedule, c] as const));
test.each(FORCED)("%s, %s", async (_, dtype, schedule, c) => {
  const out = outputShape(c);
  const [x, w, bias, residual, dy] = [
    random(c.x, 1),
    random(c.w, 2),
    random([c.w[0]], 3),
    random(out, 4),
    random(out, 5),
  ];
  const got = await evaluate(() => {
    const [a, b] = [tensor(mutable(c.x), x, dtype), tensor(mutable(c.w), w)];
    const more = { bias: tensor([c.w[0]], bias), residual: tensor(mutable(out), residual, dtype), scale: 0.5 };
    const { value, pullback } = vjp((t: Tensor) => conv2d(t, b, { ...settings(c), ...more, schedule }), a);
    return { value, grads: pullback(tensor(mutable(out), dy, dtype)) };
  });
  const l2 = dtype === "f16" ? 2e-3 : 1e-5;
  expectClose(got.value, reference(c, x, w, { bias, residual, scale: 0.5 }), { l2 });
  expectClose(
    got.grads[0],
    conv2dVjpX(
      c,
      dy.map((v) => 0.5 * v),
      w,
    ),
    { l2 },
  );
});

describe.each([
  ["vectors", 8, 12],
  ["odd channels", 3, 2],
])("virtual concat, %s", (_, C1, C2) => {
  const c: Case = { x: [2, 9, 10, C1 + C2], w: [8, C1 + C2, 3, 3], padding: same };
  const out = outputShape(c);
  const [x, w, dy, bias] = [random(c.x, 1), random(c.w, 2), random(out, 3), random([8], 4)];
  const slice = (from: number, n: number) =>
    Float64Array.from(
      { length: 2 * 9 * 10 * n },
      (_, i) => x[Math.floor(i / n) * (C1 + C2) + from + (i % n)] as number,
    );

  test("forward and gradients", async () => {
    const got = await evaluate(() => {
      const args = [
        tensor([2, 9, 10, C1], slice(0, C1)),
        tensor([2, 9, 10, C2], slice(C1, C2)),
        tensor(mutable(c.w), w),
      ] as const;
      const b = tensor([8], bias);
      const { value, pullback } = vjp((p, q, k) => conv2d(p, k, { x2: q, padding: 1, bias: b, scale: 2 }), ...args);
      return { value, grads: pullback(tensor(mutable(out), dy)) };
    });
    expectClose(got.value, reference(c, x, w, { bias, scale: 2 }));
    const dx = conv2dVjpX(c, dy, w).map((v) => 2 * v);
    const pick = (from: number, n: number) =>
      Float64Array.from(
        { length: 2 * 9 * 10 * n },
        (_, i) => dx[Math.floor(i / n) * (C1 + C2) + from + (i % n)] as number,
      );
    expectClose(got.grads[0], pick(0, C1));
    expectClose(got.grads[1], pick(C1, C2));
    expectClose(
      got.grads[2],
      conv2dVjpW(c, x, dy).map((v) => 2 * v),
    );
  });
});

describe("transposed", () => {
  // the transpose of a convolution of y [.., Cout] to x [.., Cin]
  const CASES: Record<string, Case & { extra?: readonly [number, number] }> = {
    "stride 2": { x: [2, 8, 10, 8], w: [4, 8, 4, 4], stride: [2, 2], padding: same },
    "stride 2, output padding": { x: [1, 12, 9, 3], w: [5, 3, 3, 3], stride: [2, 2], padding: same, extra: [1, 0] },
    groups: { x: [1, 9, 9, 8], w: [8, 4, 3, 3], padding: same, groups: 2 },
  };
  test.each(Object.entries(CASES))("%s", async (_, c) => {
    const [from, w, bias, g] = [random(outputShape(c), 1), random(c.w, 2), random([c.x[3]], 3), random(c.x, 4)];
    const got = await evaluate(() => {
      const args = [tensor(mutable(outputShape(c)), from), tensor(mutable(c.w), w), tensor([c.x[3]], bias)] as const;
      const options = {
        stride: c.stride ?? 1,
        padding: c.padding ?? 0,
        groups: c.groups ?? 1,
        outputPadding: c.extra ?? 0,
      };
      const { value, pullback } = vjp((x, k, b) => convTranspose2d(x, k, { ...options, bias: b }), ...args);
      return { value, shape: tensor([4], value.shape), grads: pullback(tensor(mutable(c.x), g)) };
    });
    expect([...got.shape]).toEqual([...c.x]);
    const C = c.x[3];
    expectClose(
      got.value,
      conv2dVjpX(c, from, w).map((v, i) => v + (bias[i % C] as number)),
    );
    expectClose(got.grads[0], reference(c, g, w));
    expectClose(got.grads[1], conv2dVjpW(c, g, from));
    const db = new Float64Array(C);
    g.forEach((v, i) => {
      db[i % C] = (db[i % C] as number) + v;
    });
    expectClose(got.grads[2], db);
  });
});

test.each(["stride 2, odd", "8 x 8", "picture in"])("the gradient of a function of the gradient: %s", async (name) => {
  const c = CASES[name] as Case;
  const out = outputShape(c);
  const [x, w, dy, u, v] = [random(c.x, 1), random(c.w, 2), random(out, 3), random(c.x, 4), random(c.w, 5)];
  // h = <u, dx> + <v, dw> with dx = X(dy, w), dw = W(x, dy): dh/dx = X(dy, v), dh/dw = W(u, dy), dh/ddy = conv(u, w) + conv(x, v)
  const got = await evaluate(() => {
    const [tu, tv] = [tensor(mutable(c.x), u), tensor(mutable(c.w), v)];
    const h = ([a, b, d]: Tensor[]) => {
      const { pullback } = vjp((p: Tensor, q: Tensor) => conv2d(p, q, settings(c)), a as Tensor, b as Tensor);
      const [dx, dw] = pullback(d as Tensor);
      return lincomb(1, dot(tu, dx), 1, dot(tv, dw));
    };
    return valueAndGrad(h)([tensor(mutable(c.x), x), tensor(mutable(c.w), w), tensor(mutable(out), dy)]);
  });
  expectClose(got.grad[0] as Float32Array, conv2dVjpX(c, dy, v));
  expectClose(got.grad[1] as Float32Array, conv2dVjpW(c, u, dy));
  const second = reference(c, x, v);
  expectClose(
    got.grad[2] as Float32Array,
    reference(c, u, w).map((a, i) => a + (second[i] as number)),
  );
});

test("more workgroups than fit one axis", async () => {
  const c: Case = { x: [1, 1100, 1000, 1], w: [1, 1, 1, 1], groups: 1 };
  const x = random([1000], 1);
  const { y } = await evaluate(() => ({
    y: conv2d(
      tensor(
        mutable(c.x),
        Float32Array.from({ length: size(c.x) }, (_, i) => x[i % 1000] as number),
      ),
      tensor([1, 1, 1, 1], [2]),
      { padding: [0, 1, 0, 1] },
    ),
  }));
  for (const [row, column] of [
    [0, 0],
    [517, 999],
    [1099, 3],
  ] as const)
    expect(y[row * 1001 + column]).toBeCloseTo(2 * (x[column] as number), 5);
  expect(y[1100 * 1001 + 7]).toBe(0);
});

test("errors name the op, what was expected and what came", async () => {
  await evaluate(() => {
    const x = tensor([1, 4, 4, 8], new Float32Array(128));
    const w = (shape: number[]) => tensor(shape, new Float32Array(size(shape)));
    expect(() => conv2d(x, w([16, 4, 3, 3]))).toThrow("conv2d: weight expects [Cout, 8, kh, kw], got [16,4,3,3]");
    expect(() => conv2d(x, w([16, 8, 3, 3]), { bias: w([8]) })).toThrow("conv2d: bias expects [16], got [8]");
    expect(() => conv2d(x, w([16, 8, 9, 9]))).toThrow(
      "conv2d: a 9 x 9 kernel does not fit [1,4,4,8] padded by [0,0,0,0]",
    );
    expect(() => conv2d(x, w([3, 4, 3, 3]), { groups: 2 })).toThrow(
      "conv2d: 3 output channels do not divide into 2 groups",
    );
    expect(() => convTranspose2d(x, w([16, 4, 3, 3]))).toThrow(
      "convTranspose2d: weight expects [8, Cout / groups, kh, kw], got [16,4,3,3]",
    );
    return [];
  });
});
