import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { ShaderError } from "../../src/errors.ts";
import { gpu, openGpu } from "../../src/gpu/open.ts";
import { locate, reflect } from "../../src/gpu/reflect.ts";
import { kernel } from "../../src/tensor/kernel.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { empty, tensor } from "../../src/tensor/tensor.ts";

test("says what to do when none is open", () => {
  expect(() => gpu()).toThrow('no GPU is open: call "using gpu = await openGpu()" first');
});

test("two do not disturb each other, and each ends by itself", async () => {
  using one = await openGpu();
  const a = tensor([2], [1, 2]);
  {
    using two = await openGpu();
    expect(gpu()).toBe(two);
    const b = lincomb(10, a); // on the GPU of its input
    const c = tensor([1], [7]);
    expect(one.live).toBe(2);
    expect(two.live).toBe(1);
    expect([...(await b.read())]).toEqual([10, 20]);
    dispose([b, c]);
  }
  expect(gpu()).toBe(one);
  expect([...(await lincomb(3, a).read())]).toEqual([3, 6]);
});

test("a pipeline is compiled once, and reads do not hold up the recording", async () => {
  using open = await openGpu();
  const x = tensor([4], [1, 2, 3, 4]);
  const reads = [];
  const before = open.pipelines.compiles;
  for (let k = 0; k < 40; k++) {
    const y = lincomb(k, x);
    reads.push(y.read()); // not awaited
    y.dispose(); // its buffer may be reused by the next: the read was recorded before
  }
  expect(open.pipelines.compiles - before).toBe(1);
  const got = await Promise.all(reads);
  got.forEach((v, k) => expect([...v]).toEqual([k, 2 * k, 3 * k, 4 * k]));
});

test("freed buffers come back from the pool, also before the work on them is done", async () => {
  using open = await openGpu();
  const x = tensor([1000], new Float32Array(1000).fill(1));
  let y = lincomb(1, x);
  for (let k = 0; k < 500; k++) y = scope(() => lincomb(0.5, lincomb(1, y), 0.5, x));
  await open.idle();
  expect(open.pool.freeBytes / 4096).toBeLessThan(600);
  expect((await y.read())[7]).toBeCloseTo(1, 6);
});

test("a shader that does not compile names its file and line, through includes", async () => {
  using open = await openGpu();
  const wgsl = [
    "//@ broken.wgsl:1",
    "override WG: u32 = 1;",
    "@group(0) @binding(0) var<storage, read_write> y: array<f32>;",
    "//@ lib/index.wgsl:1",
    "fn helper() -> f32 { return 1.0; }",
    "//@ broken.wgsl:4",
    "@compute @workgroup_size(WG) fn main() { y[0] = helper() + nothing; }",
  ].join("\n");
  const run = kernel({ wgsl, shapes: () => ({ y: [1] }), grid: () => [1] });
  const y = run({}, {}).y;
  const error = await y?.read().then(
    () => undefined,
    (e: Error) => e,
  );
  expect(error).toBeInstanceOf(ShaderError);
  expect(error?.message).toMatch(/broken\.wgsl:4: .*nothing/);
  expect(() => open.check()).toThrow(ShaderError);
});

test("reflects names, types and tunables from the text", () => {
  const layout = reflect(
    "//@ a.wgsl:1\noverride WG: u32 = 64;\nstruct Params { n: u32, c: f32 }\n@group(0) @binding(0) var<storage, read> x: array<V>;\n@group(0) @binding(1) var<storage, read_write> y: array<f32>;\n@group(1) @binding(0) var<uniform> p: Params;",
  );
  expect(layout).toEqual({
    stem: "a",
    inputs: [{ name: "x", index: 0, type: "V" }],
    outputs: [{ name: "y", index: 1, type: "f32" }],
    params: [
      { name: "n", type: "u32" },
      { name: "c", type: "f32" },
    ],
    overrides: { WG: 64 },
  });
  expect(locate("alias Elem = f32;\n//@ a.wgsl:1\nfirst\nsecond", 4)).toBe("a.wgsl:2");
});

test("a tensor over the limit is refused with the numbers, and nothing is broken after", async () => {
  using open = await openGpu();
  const allowed = open.device.limits.maxStorageBufferBindingSize;
  expect(() => empty([allowed])).toThrow(
    `${4 * allowed} bytes wanted, this adapter binds at most ${Math.min(allowed, open.device.limits.maxBufferSize)}`,
  );
  expect([...(await lincomb(1, tensor([1], [5])).read())]).toEqual([5]);
});

test("a closed GPU says so", async () => {
  const open = await openGpu();
  const x = tensor([1], [1]);
  open[Symbol.dispose]();
  expect(() => lincomb(1, x)).toThrow("it is closed");
});
