import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { flat } from "../../src/tensor/flat.ts";
import { fromHalf, toHalf } from "../../src/tensor/half.ts";
import { derived } from "../../src/tensor/op.ts";
import { detached, dispose, scope } from "../../src/tensor/scope.ts";
import { copyBuffer, tensor, upload } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";

const fixture = withGpu();

test("a scope frees all but what it returns; nested ones hand up; a throw frees everything", () => {
  const { gpu } = fixture;
  const live = gpu.live;
  const kept = scope(() => {
    const a = tensor([1], [1]);
    const b = scope(() => lincomb(2, lincomb(3, a)));
    expect(gpu.live).toBe(live + 2);
    return [b];
  });
  expect(gpu.live).toBe(live + 1);
  dispose(kept);
  expect(() =>
    scope(() => {
      tensor([1], [1]);
      throw new Error("out");
    }),
  ).toThrow("out");
  expect(() => scope(() => Promise.resolve(tensor([1], [1])))).toThrow("synchronous");
  const free = scope(() => detached(() => tensor([1], [1])));
  expect(gpu.live).toBe(live + 1);
  free.dispose();
});

test("a freed tensor cannot be used, and says why", async () => {
  const a = tensor([2], [1, 2]);
  a.dispose();
  a.dispose();
  expect(() => lincomb(1, a)).toThrow("it was freed; return it from its scope to keep it");
});

test("a view shares the buffer, which lives as long as either", async () => {
  const a = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = reshape(a, [3, -1]);
  a.dispose();
  expect([b.shape, [...(await b.read())]]).toEqual([
    [3, 2],
    [1, 2, 3, 4, 5, 6],
  ]);
  const c = scope(() => asReal(asComplex(b)));
  expect(c.shape).toEqual([3, 2]);
  dispose([b, c]);
  await fixture.gpu.idle();
});

test("what is derived is made once, anew after a change, found through views, and freed with the buffer", async () => {
  const a = tensor([2], [1, 2]);
  let made = 0;
  const twice = (t = a) =>
    derived(t, "twice", () => {
      made++;
      return lincomb(2, t);
    });
  twice();
  const view = reshape(a, [2]);
  expect(twice(view)).toBe(twice());
  expect(made).toBe(1);
  upload(a, [5, 6]);
  expect([...(await twice().read())]).toEqual([10, 12]);
  expect(made).toBe(2);
  dispose([a, view]);
});

test("flat parameters lie in one buffer and are written as one", async () => {
  const f = flat({ w: [3, 5], b: [7] });
  expect(f.chunks.length).toBe(1);
  const [whole] = f.chunks;
  upload(f.tree.w as never, new Float32Array(15).fill(2));
  upload(f.tree.b as never, new Float32Array(7).fill(3));
  const sum = (await (whole as NonNullable<typeof whole>).read()).reduce((a, b) => a + b);
  expect(sum).toBe(30 + 21);
  const other = flat({ w: [3, 5], b: [7] });
  copyBuffer(whole as never, other.chunks[0] as never);
  expect([...(await (other.tree.b as NonNullable<typeof whole>).read())]).toEqual(new Array(7).fill(3));
  for (const g of [f, other]) dispose([...g.chunks, g.tree]);
});

test("halves round to nearest, ties to even, with subnormals and infinities", () => {
  const cases: [number, number][] = [
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [1.5 * 2 ** -24, 2],
    [2 ** -14, 0x0400],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [-0, 0x8000],
    [Number.POSITIVE_INFINITY, 0x7c00],
  ];
  for (const [x, bits] of cases) expect([x, toHalf(x)]).toEqual([x, bits]);
  for (let h = 0; h < 0x7c00; h += 7) expect(toHalf(fromHalf(h))).toBe(h);
  expect(fromHalf(toHalf(Number.NaN))).toBeNaN();
});
