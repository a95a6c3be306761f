import { afterEach, expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { sinusoidal } from "../../kernels/embedding.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear } from "../../kernels/matmul.ts";
import { rng } from "../../kernels/random.ts";
import { sum, sumSquares } from "../../kernels/reduce.ts";
import { reshape } from "../../kernels/reshape.ts";
import { roll } from "../../kernels/roll.ts";
import { constant, valueAndGrad } from "../../src/autograd/vjp.ts";
import { precondition } from "../../src/diffusion/precondition.ts";
import { GpuError, ProxelError, ShapeError } from "../../src/errors.ts";
import { openGpu } from "../../src/gpu/open.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { initParams, type Params } from "../../src/nets/net.ts";
import { computed } from "../../src/tensor/given.ts";
import { plan } from "../../src/tensor/plan.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { frugal, type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";

const device = withGpu();
const owned: { dispose(): void }[] = [];
const keep = <T extends { dispose(): void }>(t: T): T => {
  owned.push(t);
  return t;
};
afterEach(() => {
  for (const t of owned.splice(0).reverse()) t.dispose();
});

let seed = 0;
const normal = (...shape: number[]): Tensor => keep(rng(++seed).normal(shape));
const parametersOf = (net: Parameters<typeof initParams>[0]): Params => {
  const { tree, chunks } = initParams(net, rng(1));
  // as trained: no convolution is zero
  for (const t of Object.values(tree))
    upload(
      t,
      Float32Array.from({ length: t.size }, (_, i) => Math.sin(i) / 8),
    );
  for (const t of [...chunks, ...Object.values(tree)]) keep(t);
  return tree;
};
/** Bit for bit. */
async function same(got: Tensor, want: Tensor): Promise<void> {
  const [a, b] = await Promise.all([got.readRaw(), want.readRaw()]);
  expect(got.shape).toEqual(want.shape);
  expect(Buffer.from(a).equals(Buffer.from(b))).toBe(true);
  expect(new Float32Array(b).some((v) => v !== 0 && Number.isFinite(v))).toBe(true);
  dispose([got, want]);
}

test("an ADM with its embedding is replayed as it runs, at any time and in batches", async () => {
  const net = admUnet({
    resolution: 16,
    channels: 32,
    multipliers: [1, 2],
    blocks: 1,
    attention: [8],
    headChannels: 16,
    classes: 3,
  });
  const params = parametersOf(net);
  const F = (x: Tensor, t: readonly number[], label: readonly number[]) => net.apply(params, x, t, { label });
  const planned = keep(plan(F, [normal(2, 16, 16, 3), [1, 2], [0, 1]]));
  expect(planned.dispatches).toBeGreaterThan(50);
  for (const [t, label] of [
    [
      [3.7, 3.7],
      [0, 2],
    ],
    [
      [999, 0.01],
      [1, 1],
    ],
    [
      [3.7, 3.7],
      [0, 2],
    ],
  ] as const) {
    const x = normal(2, 16, 16, 3);
    const { dispatches } = device.gpu.recording;
    const y = planned(x, t, label);
    expect(device.gpu.recording.dispatches - dispatches).toBe(planned.dispatches);
    await same(
      y,
      scope(() => F(x, t, label)),
    );
  }
  expect(() => planned(normal(2, 16, 16, 3), [1, 1], [0, 3])).toThrow(/a class of 0 to 2/);
});

test("a denoiser around a plan follows sigma, and the plans of two networks take turns", async () => {
  const net = admUnet({ resolution: 8, channels: 32, multipliers: [1], blocks: 1 });
  const two = [1, 2].map((k) => {
    const params = parametersOf(net);
    const F = (x: Tensor, t: readonly number[]) => net.apply(params, lincomb(k, x), t);
    const planned = keep(plan(F, [normal(1, 8, 8, 3), [0.5]]));
    return { eager: precondition.edm(F), planned: precondition.edm(planned) };
  });
  let x = normal(1, 8, 8, 3);
  for (const sigma of [40, 3, 0.2, 3])
    for (const { eager, planned } of two) {
      const next = keep(scope(() => lincomb(0.9, planned(x, sigma), 0.1, x)));
      await same(
        scope(() => planned(x, sigma)),
        scope(() => eager(x, sigma)),
      );
      x = next;
    }
});

test("intermediates share buffers; what they take is known, held and given back", async () => {
  const layers = 12;
  const w = Array.from({ length: layers }, () => normal(32, 32, 3, 3));
  const g = normal(32);
  const F = (x: Tensor) =>
    w.reduce(
      (h, k) => groupNorm(conv2d(h, k, { padding: 1, bias: g, residual: h }), g, g, { groups: 8, silu: true }),
      x,
    );
  const x = normal(1, 32, 32, 32);
  await same(
    scope(() => F(x)),
    scope(() => F(x)),
  ); // packs the weights
  const { pool } = device.gpu;
  const [live, bytes] = [pool.live, pool.liveBytes];
  const planned = plan(F, [x]);
  expect(pool.liveBytes - bytes).toBe(planned.bytes);
  // three at once: the input of a layer, which is its residual, what convolves it, and what is normalised; and statistics
  expect(planned.bytes).toBeLessThan(3.2 * x.bytes);
  await same(
    planned(x),
    scope(() => F(x)),
  );
  await device.gpu.idle();
  pool.trim();
  await same(
    planned(x),
    scope(() => F(x)),
  );
  planned.dispose();
  planned.dispose();
  expect([pool.live, pool.liveBytes]).toEqual([live, bytes]);
  expect(() => planned(x)).toThrow(/plan: it was disposed/);
});

test("trees of inputs and outputs, outer tensors, reshapes and the same tensor twice", async () => {
  const w = normal(4);
  const F = (p: { a: Tensor; b: readonly Tensor[] }, s: readonly number[]) => {
    const y = mul(
      p.a,
      tensor(
        [2, 1],
        s.map((v) => 1 / v),
      ),
    );
    return { y, again: [y, reshape(y, [8])], a: p.a, w, total: sum(add(p.b[0] as Tensor, w)) };
  };
  const inputs = () => ({ a: normal(2, 4), b: [normal(2, 4)] });
  const planned = keep(plan(F, [inputs(), [1, 2]]));
  const p = inputs();
  const got = planned(p, [3, 5]);
  const want = scope(() => F(p, [3, 5]));
  expect(got.again[0]).toBe(got.y);
  await same(got.total, want.total);
  await same(got.again[1] as Tensor, want.again[1] as Tensor);
  await same(got.y, lincomb(1, want.y));
  for (const t of [want.y, got.w, got.a]) t.dispose();
});

test("what the plan does not know how to repeat is refused, and nothing of it is left", async () => {
  const x = normal(4);
  const outer = normal(4);
  let leaked: Tensor | undefined;
  const refuse = (fn: (x: Tensor, s: readonly number[]) => unknown, why: RegExp) =>
    expect(() => plan(fn, [x, [2]])).toThrow(why);
  refuse((x, s) => lincomb(s[0] as number, x), /a number that it is given .* is read inside \(0\)/);
  refuse((x, s) => lincomb(Math.max(...s), x), /is read inside/);
  refuse((x) => mul(x, tensor([1], [3])), /4 bytes of numbers are uploaded inside/);
  refuse((x) => add(x, rng(1).normal([4])), /random numbers are drawn inside/);
  refuse((x) => {
    upload(outer, new Float32Array(4));
    return lincomb(2, x);
  }, /writes into a tensor from outside/);
  refuse((x) => ({ y: lincomb(2, x), n: 3 }), /returned number/);
  let read: Promise<unknown> | undefined;
  keep(
    plan(
      (x) => {
        leaked = lincomb(2, x);
        read = leaked.read();
        return leaked;
      },
      [x],
    ),
  );
  await expect(read).rejects.toThrow(/nothing can be read inside/);
  expect(() => lincomb(1, leaked as Tensor)).toThrow(ShapeError);
  refuse((x) => plan((z) => lincomb(2, z), [x])(x), /made inside another plan/);
  expect(() => plan((s: readonly number[]) => tensor([1], s), [3 as never])).toThrow(/give a number as \[number\]/);
  // by computed(), any function of the numbers may be uploaded
  const root = (s: readonly number[]) => computed(s, (v) => [Math.hypot(...v)]);
  keep(plan((x: Tensor, s: readonly number[]) => mul(x, tensor([1], root(s))), [x, [2]]));
});

test("inputs of other shapes, and weights that were freed or written over, are refused by name", async () => {
  const w = rng(9).normal([3, 3]);
  const planned = keep(
    plan(
      (x: Tensor, t: readonly number[]) => linear(x, w, sinusoidal(t, 3).shape.length ? undefined : w),
      [normal(2, 3), [1]],
    ),
  );
  expect(() => planned(normal(1, 3), [1])).toThrow(
    /it was made for inputs\[0\] as f32 \[2,3\], got inputs\[0\] as f32 \[1,3\]/,
  );
  expect(() => planned(normal(2, 3), [1, 2])).toThrow(/as 1 numbers, got inputs\[1\] as 2 numbers/);
  expect(() => planned(normal(2, 3), [])).toThrow(ShapeError);
  planned(normal(2, 3), [1]).dispose();
  upload(w, new Float32Array(9));
  expect(() => planned(normal(2, 3), [1])).toThrow(/written over since/);
  const again = keep(plan((x: Tensor) => linear(x, w), [normal(2, 3)]));
  w.dispose();
  expect(() => again(normal(2, 3))).toThrow(/was freed since/);
  expect(() => again(normal(2, 3))).toThrow(ShapeError);
});

test.each([false, true])("kernels written over behind their packed forms (kept alone: %s)", async (alone) => {
  const [x, w] = [normal(1, 8, 8, 16), rng(4).normal([16, 16, 3, 3])];
  if (alone) frugal([w]);
  // read as it is, and then packed
  const F = (z: Tensor) => scope(() => mul(sum(w), conv2d(z, w, { padding: 1 })));
  const planned = keep(plan(F, [x]));
  await same(planned(x), F(x));
  upload(w, new Float32Array(w.size).fill(0.5));
  expect(() => planned(x)).toThrow(/written over since/);
  const again = keep(plan(F, [x]));
  // what is freed goes to the next who asks
  const others = Array.from({ length: 4 }, () => keep(rng(5).normal(w.shape)));
  await same(again(x), F(x));
  for (const other of others) expect(other.freed).toBe(false);
  w.dispose();
  expect(again.stale).toBe(true);
});

test("under a tape it is fn itself, and inside another plan", async () => {
  const x = normal(1, 8, 8, 4);
  const w = normal(4, 4, 3, 3);
  const F = (z: Tensor) => conv2d(groupNorm(z, undefined, undefined, { groups: 2, silu: true }), w, { padding: 1 });
  const planned = keep(plan(F, [x]));
  await same(gradient(planned, x), gradient(F, x));
  const outer = keep(plan((z: Tensor) => roll(planned(z), [1, 0]), [x]));
  await same(
    outer(x),
    scope(() => roll(F(x), [1, 0])),
  );
  // a gradient inside a plan is repeated like anything else
  const slope = keep(plan((z: Tensor) => gradient(F, z), [x]));
  const other = normal(1, 8, 8, 4);
  await same(
    slope(other),
    scope(() => gradient(F, other)),
  );
  await same(
    constant(() => planned(x)),
    scope(() => F(x)),
  );
});
/** Of sum(f(z)^2). */
const gradient = (f: (z: Tensor) => Tensor, z: Tensor): Tensor => {
  const { value, grad } = valueAndGrad((x: Tensor) => sumSquares(f(x)))(z);
  value.dispose();
  return grad;
};

test("a plan on a device that is lost or closed says so", async () => {
  const gpu = await openGpu();
  try {
    const [x, planned] = scope(() => {
      const x = tensor([4], [1, 2, 3, 4]);
      return [x, plan((z: Tensor) => lincomb(2, z), [x])] as const;
    });
    expect([...(await planned(x).read())]).toEqual([2, 4, 6, 8]);
    gpu.device.destroy();
    await gpu.device.lost;
    expect(() => planned(x)).toThrow(GpuError);
    expect(() => planned(x)).toThrow(/was lost/);
    planned.dispose();
  } finally {
    gpu[Symbol.dispose]();
  }
  expect(ProxelError.prototype).toBeInstanceOf(Error);
});
