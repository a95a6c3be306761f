import { expect, test } from "vitest";
import { normal, uniform } from "../../kernels/random.reference.ts";
import { rng } from "../../kernels/random.ts";
import wgsl from "../../shaders/random.wgsl";
import { kernel } from "../../src/tensor/kernel.ts";
import { philox } from "../../src/tensor/philox.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

// kat_vectors of the Random123 library, for philox4x32 with 10 rounds
const VECTORS: [number[], number[], number[]][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [new Array(4).fill(0xffffffff), new Array(2).fill(0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test("the host's Philox gives the published words", () => {
  for (const [counter, key, want] of VECTORS) expect(philox(counter, key)).toEqual(want);
});

test("the GPU's words equal the host's, bit by bit", async () => {
  const seed = 0x1f2345 * 2 ** 32 + 0x89abcdef;
  const state = { seed, stream: [0xdeadbeef, 0xffffffff] as [number, number], call: 0x80000001 };
  const n = 4099;
  const out = (await evaluate(() => ({
    zero: rng(0).bits([3]),
    far: rng.restore(state).bits([n]),
  }))) as unknown as Record<string, Uint32Array>;
  expect([...out.zero!]).toEqual(VECTORS[0]![2].slice(0, 3));
  const want = Array.from({ length: Math.ceil(n / 4) }, (_, i) =>
    philox([i, state.call, ...state.stream], [0x89abcdef, 0x1f2345]),
  ).flat();
  expect([...out.far!]).toEqual(want.slice(0, n));
});

test.each([[[1]], [[2, 3]], [[65_537 * 64 + 1]]])(
  "uniform and normal of shape %j follow from the words",
  async (shape) => {
    const out = await evaluate(() => {
      const draw = () => rng(7);
      return {
        bits: draw().bits([shape[0]! > 9 ? 400_000 : shape.reduce((a, b) => a * b)]),
        u: draw().uniform(shape),
        scaled: draw().uniform(shape, { low: -3, high: 5 }),
        z: draw().normal(shape),
      };
    });
    const bits = out.bits as unknown as Uint32Array;
    // a pair may have been cut off at the end
    const even = bits.subarray(0, bits.length & ~1);
    expectClose(out.u.subarray(0, bits.length), uniform(bits), { l2: 1e-7 });
    expectClose(out.scaled.subarray(0, bits.length), uniform(bits, -3, 5), { l2: 2e-7 });
    normal(even).forEach((want, i) => {
      if (Math.abs(out.z[i]! - want) > 1e-6)
        expect.fail(`normal ${i}: got ${out.z[i]}, want ${want} of words ${bits[i & ~1]}, ${bits[i | 1]}`);
    });
    if (shape[0]! < 9) return;
    expect(out.u.every((v) => v > 0 && v < 1)).toBe(true);
    const moment = (k: number) => out.z.reduce((s, v) => s + v ** k, 0) / out.z.length;
    const sd = Math.sqrt(1 / out.z.length);
    [0, 1, 0, 3, 0, 15].forEach((want, k) => {
      // the variance of z^k is at most that of z^6, E z^12 = 10395
      expect(Math.abs(moment(k + 1) - want), `moment ${k + 1}`).toBeLessThan(
        4 * sd * Math.sqrt([1, 2, 15, 96, 945, 10170][k]!),
      );
    });
  },
);

test("the worst error of a normal number, over seeds and into the tails", async () => {
  let worst = 0;
  let largest = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const out = await evaluate(() => ({ bits: rng(seed).bits([400_000]), z: rng(seed).normal([400_000]) }));
    normal(out.bits as unknown as Uint32Array).forEach((want, i) => {
      worst = Math.max(worst, Math.abs(out.z[i]! - want));
      largest = Math.max(largest, Math.abs(want));
    });
  }
  console.log(
    `normal: worst absolute error ${worst.toExponential(2)} among 3.2 million, largest |z| ${largest.toFixed(2)}`,
  );
  expect(worst).toBeLessThan(6e-7);
});

test("the corners: the smallest and largest words, powers of two, the axes of the circle", async () => {
  const call = "philox(vec4u(i, p.call, p.stream0, p.stream1), vec2u(p.key0, p.key1))";
  expect(wgsl).toContain(call);
  // the shader itself, with words given in place of drawn ones
  const given = kernel<{ words: number[] }>({
    wgsl: wgsl
      .replace("//@ random.wgsl:1", "//@ random_given.wgsl:1")
      .replace(call, "vec4u(p.call, p.stream0, p.stream1, p.key0)"),
    params: (_, { words: [a, b, c, d] }) => ({
      n: 4,
      call: a!,
      stream0: b!,
      stream1: c!,
      key0: d!,
      key1: 0,
      low: 0,
      high: 1,
    }),
    shapes: () => ({ y: [4] }),
    grid: () => [1],
  });
  const corners = [0, 1, 2, 3, 5, 0xffffffff, 0xfffffffe, 0xffffff00, 0x7fffffff, 0x80000000, 0x80000001];
  for (let k = 2; k < 32; k++) corners.push(2 ** k, 2 ** k - 1, 2 ** 32 - 2 ** k);
  for (let octant = 0; octant < 8; octant++) corners.push(octant * 2 ** 29, (octant + 1) * 2 ** 29 - 1);
  const words = corners.flatMap((w, i) => [w, corners[(7 * i) % corners.length]!, 1000 * i + 77, w]);
  const out = await evaluate(() => corners.map((_, i) => given({}, { words: words.slice(4 * i, 4 * i + 4) }).y!));
  normal(Uint32Array.from(words)).forEach((want, i) => {
    const got = out[i >> 2]![i & 3]!;
    if (!(Math.abs(got - want) <= 6e-7))
      expect.fail(`words ${words[i & ~1]}, ${words[i | 1]}: got ${got}, want ${want}`);
  });
});

test("halves", async () => {
  const out = await evaluate(() => ({
    h: rng(3).normal([37], { dtype: "f16" }),
    z: rng(3).normal([37]),
    u: rng(3).uniform([9], { dtype: "f16" }),
  }));
  expectClose(out.h, out.z, { l2: 1e-3 });
  expect(out.u.every((v) => v >= 0 && v <= 1)).toBe(true);
});

test("what is drawn depends on seed and order only, and a state resumes it", async () => {
  const draw = (random: ReturnType<typeof rng>) => ({
    a: random.normal([5]),
    n: random.number(),
    g: random.gaussian(),
    k: random.integer(3, 9),
    b: random.uniform([3]),
  });
  const out = await evaluate(() => {
    const one = rng(11);
    one.normal([1000]);
    const state = JSON.parse(JSON.stringify(one.state()));
    const first = draw(one);
    const back = rng(5);
    back.restore(state);
    return {
      first,
      again: draw(rng.restore(state)),
      back: draw(back),
      fork: draw(rng(11).fork(2)),
      fork2: draw(one.fork(2)),
      other: draw(one.fork(3)),
    };
  });
  expect(out.again).toEqual(out.first);
  expect(out.back).toEqual(out.first);
  expect(out.fork2).toEqual(out.fork);
  expect(out.other.a).not.toEqual(out.fork.a);
  expect(out.first.a).not.toEqual(out.fork.a);
});

test("single numbers: range and moments", () => {
  const random = rng(2 ** 40 + 1);
  const n = 20_000;
  const u = Array.from({ length: n }, () => random.number());
  const z = Array.from({ length: n }, () => random.gaussian());
  const k = Array.from({ length: n }, () => random.integer(-1, 2));
  const average = (x: number[]) => x.reduce((a, b) => a + b, 0) / n;
  expect(Math.abs(average(u) - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / n));
  expect(Math.abs(average(z))).toBeLessThan(4 / Math.sqrt(n));
  expect(Math.abs(average(z.map((v) => v * v)) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
  expect([...new Set(k)].sort((a, b) => a - b)).toEqual([-1, 0, 1, 2]);
  expect(() => rng(-1)).toThrow("rng: the seed must be a whole number from 0 to 2^53, got -1");
});
