import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { GpuError } from "../../src/errors.ts";
import { gpu, openGpu } from "../../src/gpu/open.ts";
import { kernel } from "../../src/tensor/kernel.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { empty, type Tensor, tensor } from "../../src/tensor/tensor.ts";

const refusal = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => Promise.reject(new Error("it was expected to fail")),
    (error: Error) => error,
  );
const constantly = (value: number) =>
  kernel({
    wgsl: `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = ${value}; }`,
    shapes: () => ({ y: [1] }),
    grid: () => [1],
  });

test("a lost device is a GpuError that says so, to the read under way and to all that come after", async () => {
  using open = await openGpu();
  const x = tensor([4], [1, 2, 3, 4]);
  await lincomb(2, x).read();
  const pending = lincomb(2, x).read();
  open.device.destroy();
  for (const error of [await refusal(pending), await refusal(x.read()), await refusal(open.idle())]) {
    expect(error).toBeInstanceOf(GpuError);
    expect(error.message).toMatch(/the device was lost \(destroyed\).*open it again/);
  }
  expect(() => lincomb(2, x)).toThrow(GpuError);
});

test("closing while pipelines compile and reads wait ends neither the process nor the next GPU", async () => {
  for (let k = 0; k < 8; k++) {
    const open = await openGpu();
    const x = tensor([4], [1, 2, 3, 4]);
    const reads = [lincomb(1, x, k, x, 3, x).read(), x.read()];
    open[Symbol.dispose]();
    for (const read of reads) expect((await refusal(read)).message).toMatch(/it is closed/);
  }
  expect(() => gpu()).toThrow("no GPU is open");
});

test("a dispatch that reads and writes one buffer is refused by kernel and binding", async () => {
  using open = await openGpu();
  const x = tensor([4], [1, 2, 3, 4]);
  const twice = kernel({
    wgsl: `//@ twice.wgsl:1
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = 2.0 * x[0]; }`,
    shapes: () => ({ y: [4] }),
    grid: () => [1],
  });
  expect(() => twice({ x }, {}, { y: x })).toThrow('twice: "y" is written into the buffer of "x"');
  await open.idle();
  expect([...(await x.read())]).toEqual([1, 2, 3, 4]);
});

test("what the device refuses names the kernel", async () => {
  using open = await openGpu();
  const huge = kernel({
    wgsl: `//@ huge.wgsl:1
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(2000000) fn main() { y[0] = 7.0; }`,
    shapes: () => ({ y: [1] }),
    grid: () => [1],
  });
  const error = await refusal((huge({}, {}).y as Tensor).read());
  expect([error.name, error.message]).toEqual(["ShaderError", expect.stringMatching(/^huge: .*\n.*2000000/)]);
  expect(() => open.check()).toThrow("huge");
});

test("two kernels without a name are two kernels", async () => {
  using _ = await openGpu();
  const values = [7, 8].map((value) => constantly(value)({}, {}).y as Tensor);
  expect(await Promise.all(values.map(async (t) => (await t.read())[0]))).toEqual([7, 8]);
});

test("a batch with more scalars than the ring holds is submitted in parts, in order", async () => {
  using open = await openGpu();
  const names = Array.from({ length: 400 }, (_, i) => `p${i}`);
  const many = kernel<{ base: number }>({
    wgsl: `//@ many.wgsl:1
struct Params { ${names.map((name) => `${name}: f32`).join(", ")} }
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;
@compute @workgroup_size(1) fn main() { y[0] = p.p0; y[1] = p.p399; }`,
    params: (_, { base }) => Object.fromEntries(names.map((name, i) => [name, base + i])),
    shapes: () => ({ y: [2] }),
    grid: () => [1],
  });
  await open.idle();
  const outs = Array.from({ length: 200 }, (_, base) => many({}, { base }).y as Tensor);
  const got = await Promise.all(outs.map((t) => t.read()));
  got.forEach((v, base) => expect([...v]).toEqual([base, base + 399]));
});

test("buffers that a loop uses again and again stay; those nobody wanted for a turn go when much is free", async () => {
  using open = await openGpu();
  const { pool } = open;
  const side = 1 << 25; // 128 MiB each, and never touched
  const turn = () => dispose(Array.from({ length: 10 }, () => empty([side])));
  for (let k = 0; k < 3; k++) {
    turn();
    await open.idle();
    expect(pool.freeBytes).toBeGreaterThanOrEqual(10 * 4 * side);
  }
  await open.idle();
  expect(pool.freeBytes).toBeLessThan(1 << 30);
});
