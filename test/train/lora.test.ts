import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { WeightsError } from "../../src/errors.ts";
import { officialAdm } from "../../src/nets/adm_official.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { type Params, shapesOf } from "../../src/nets/net.ts";
import { dispose, mapTree, scope } from "../../src/tensor/scope.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { type LoraOptions, loadLora, lora, loraShapes } from "../../src/train/lora.ts";
import { adam } from "../../src/train/optimiser.ts";
import { paramBytes } from "../../src/weights/params.ts";
import { parseSafetensors } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seededParameter } from "../lib/seeded.ts";

withGpu();

const SHAPES = {
  "block.qkv.weight": [12, 8, 1],
  "block.qkv.bias": [12],
  "block.conv.weight": [6, 4, 3, 3],
  "out.0.weight": [4],
  "out.2.weight": [3, 4, 3, 3],
} as const;
const base = (): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(SHAPES).map(([k, s]) => [k, tensor(s, seededParameter(k, s))]));
const A = "block.qkv.parametrizations.weight.0.lora_A";
const B = "block.qkv.parametrizations.weight.0.lora_B";

/** W + scale L R in doubles. */
function update(W: ArrayLike<number>, L: ArrayLike<number>, R: ArrayLike<number>, r: number, scale: number) {
  const O = L.length / r;
  const I = R.length / r;
  return Float64Array.from({ length: O * I }, (_, at) => {
    let dot = 0;
    for (let k = 0; k < r; k++) dot += (L[Math.floor(at / I) * r + k] as number) * (R[k * I + (at % I)] as number);
    return (W[at] as number) + scale * dot;
  });
}

for (const init of ["standard", "ud2m"] as const)
  for (const name of ["block.qkv.weight", "block.conv.weight"] as const)
    test(`merge adds scale times a product of rank 3: ${name}, ${init}`, async () => {
      const got = await evaluate(() => {
        const params = base();
        const { adapters, merge } = lora(params, { rank: 3, alpha: 1.5, init, match: /block/ });
        const trained = Object.fromEntries(
          Object.entries(adapters).map(([k, t]) => [k, tensor(t.shape, seededParameter(k, t.shape))]),
        );
        return { merged: merge(trained), trained, shapes: adapters };
      });
      const factor = (f: string) => got.trained[name.replace("weight", `parametrizations.weight.0.lora_${f}`)];
      const [L, R] = (init === "ud2m" ? [factor("A"), factor("B")] : [factor("B"), factor("A")]) as Float32Array[];
      expect(L?.length).toBe(3 * SHAPES[name][0]);
      const want = update(seededParameter(name, SHAPES[name]), L as Float32Array, R as Float32Array, 3, 0.5);
      expectClose(got.merged[name] as Float32Array, want, { l2: 1e-6 });
      expect([...(got.merged["out.2.weight"] as Float32Array)]).toEqual([
        ...seededParameter("out.2.weight", SHAPES["out.2.weight"]),
      ]);
    });

test("gradients reach the adapters and nothing else, and are those of the product", async () => {
  const r = 2;
  const out = await evaluate(() => {
    const params = base();
    const { adapters, merge } = lora(params, { rank: r, alpha: 3, init: "ud2m", match: /qkv/, also: /^out\.2/ });
    const probe = tensor([12, 8, 1], seededParameter("probe", [12, 8]));
    const second = tensor(SHAPES["out.2.weight"], seededParameter("second", [...SHAPES["out.2.weight"]]));
    const { grad } = valueAndGrad((p: Record<string, Tensor>) => {
      const all = merge(p);
      return sum(mul(all["block.qkv.weight"] as Tensor, probe), {}) as Tensor;
    })(adapters);
    const { grad: full } = valueAndGrad((p: Record<string, Tensor>) =>
      sum(mul(merge(p)["out.2.weight"] as Tensor, second)),
    )(adapters);
    return { grad, full, adapters };
  });
  expect(Object.keys(out.grad).sort()).toEqual(
    [A, B, "out.2.bias", "out.2.weight"].filter((k) => k in out.adapters).sort(),
  );
  const [a, b] = [out.adapters[A] as Float32Array, out.adapters[B] as Float32Array];
  const g = seededParameter("probe", [12, 8]);
  const at = (m: Float32Array, i: number, j: number, n: number) => m[i * n + j] as number;
  const dA = Float64Array.from({ length: 12 * r }, (_, k) => {
    let s = 0;
    for (let j = 0; j < 8; j++) s += at(g, Math.floor(k / r), j, 8) * at(b, k % r, j, 8);
    return 1.5 * s;
  });
  const dB = Float64Array.from({ length: r * 8 }, (_, k) => {
    let s = 0;
    for (let i = 0; i < 12; i++) s += at(a, i, Math.floor(k / 8), r) * at(g, i, k % 8, 8);
    return 1.5 * s;
  });
  expectClose(out.grad[A] as Float32Array, dA, { l2: 1e-6 });
  expectClose(out.grad[B] as Float32Array, dB, { l2: 1e-6 });
  expect([...(out.full["out.2.weight"] as Float32Array)]).toEqual([
    ...seededParameter("second", [...SHAPES["out.2.weight"]]),
  ]);
  expect(Math.max(...(out.full[A] as Float32Array).map(Math.abs))).toBe(0);
});

const tiny = admUnet({ resolution: 8, channels: 32, multipliers: [1], blocks: 1, attention: [8], heads: 2 });

test("the standard init leaves the output as it was, UD2M's does not; variances are those stated", async () => {
  const out = await evaluate(() => {
    const params = Object.fromEntries(
      Object.entries(shapesOf(tiny.parameters)).map(([k, s]) => [k, tensor(s, seededParameter(k, s))]),
    );
    const x = rng(1).normal([1, 8, 8, 3]);
    const run = (p: Params) => tiny.apply(p, x, 100);
    const [standard, ud2m] = (["standard", "ud2m"] as const).map((init) =>
      lora(params, { rank: 5, alpha: 1.5, init, match: /qkv$|proj_out$/ }),
    ) as [ReturnType<typeof lora>, ReturnType<typeof lora>];
    return {
      before: run(params),
      standard: run(standard.merge(standard.adapters)),
      ud2m: run(ud2m.merge(ud2m.adapters)),
      a: ud2m.adapters["middle_block.1.qkv.parametrizations.weight.0.lora_A"] as Tensor,
      s: standard.adapters["middle_block.1.qkv.parametrizations.weight.0.lora_A"] as Tensor,
    };
  });
  expect([...out.standard]).toEqual([...out.before]);
  expect(Math.max(...out.ud2m.map((v, i) => Math.abs(v - (out.before[i] as number))))).toBeGreaterThan(1e-3);
  const std = Math.sqrt(out.a.reduce((s, v) => s + v * v, 0) / out.a.length);
  expect(std / Math.sqrt(2 / (96 + 5))).toBeGreaterThan(0.9);
  expect(std / Math.sqrt(2 / (96 + 5))).toBeLessThan(1.1);
  expect(Math.max(...out.s.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(32));
  expect(Math.max(...out.s.map(Math.abs))).toBeGreaterThan(0.9 / Math.sqrt(32));
});

test("a base in f16 gives f16 parameters, summed in f32", async () => {
  const out = await evaluate(() => {
    const W = tensor([12, 8], seededParameter("w", [12, 8]), "f16");
    const { adapters, merge } = lora({ "l.weight": W }, { rank: 2, init: "ud2m", match: /l/ });
    const [a, b] = Object.values(adapters) as [Tensor, Tensor];
    expect(a.dtype).toBe("f32");
    const merged = merge(adapters)["l.weight"] as Tensor;
    expect(merged.dtype).toBe("f16");
    return { merged, W, a, b };
  });
  expectClose(out.merged, update(out.W, out.a, out.b, 2, 1), { l2: 5e-4 });
});

test("saved apart and read back: the same numbers, rank, alpha, full layers and scalars", async () => {
  const params = base();
  const options: LoraOptions = {
    rank: 4,
    alpha: 1.5,
    init: "ud2m",
    match: /qkv$/,
    also: /^out\./,
    scalars: { "hqs.penalty": 0.25 },
  };
  const made = lora(params, options);
  const file = parseSafetensors(await paramBytes(made.adapters, { metadata: made.metadata }));
  expect(file.names).toEqual([A, B, "out.0.weight", "out.2.weight", "hqs.penalty"]);
  expect(file.metadata).toEqual({ rank: "4", alpha: "1.5", scaling: "0.375", init: "ud2m" });
  const back = loadLora(params, file);
  expect(back.metadata).toEqual(made.metadata);
  // copies: what a merge passes through is the base's own
  const copied = (p: Params) => mapTree(p, (t) => lincomb(1, t));
  const got = await evaluate(() => ({
    was: copied(made.merge(made.adapters)),
    is: copied(back.merge(back.adapters)),
  }));
  expect(got.is).toEqual(got.was);
  expect([...(await (back.adapters["hqs.penalty"] as Tensor).read())]).toEqual([0.25]);

  // UD2M's own file says nothing of alpha
  const bare = parseSafetensors(await paramBytes(made.adapters));
  expect(() => loadLora(params, bare)).toThrow(/does not say its alpha; pass \{ alpha \}/);
  const again = loadLora(params, bare, { alpha: 1.5 });
  expect(again.metadata).toEqual(made.metadata);
  // a base that is not the one: nothing is half loaded
  const other = tensor([10, 8], new Float32Array(80));
  expect(() => loadLora({ "block.qkv.weight": other }, file)).toThrow(WeightsError);
  expect(() => loadLora({ "x.weight": other }, file)).toThrow(/1 adapted layers are not in the base \(block\.qkv/);
  other.dispose();
  for (const { adapters, flat } of [made, back, again]) dispose([adapters, flat]);
  dispose(params);
});

test("adam trains the adapters and leaves the base", async () => {
  const params = base();
  const { adapters, flat, merge } = lora(params, { rank: 2, match: /qkv/ });
  const optimiser = adam(flat);
  const losses = [];
  for (let step = 0; step < 30; step++) {
    const value = scope(() => {
      const { value, grad } = valueAndGrad((p: Record<string, Tensor>) => {
        const W = merge(p)["block.qkv.weight"] as Tensor;
        return sum(mul(W, W));
      })(adapters);
      optimiser.step(grad, { step, lr: 0.05, emaDecay: 0 });
      return value;
    });
    losses.push((await value.read())[0] as number);
    value.dispose();
  }
  expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] as number));
  const kept = await (params["block.qkv.weight"] as Tensor).read();
  expect([...kept]).toEqual([...seededParameter("block.qkv.weight", SHAPES["block.qkv.weight"])]);
  optimiser.dispose();
  dispose(params);
});

test("misuse is named", () => {
  const shapes = SHAPES;
  const bad = (options: Partial<LoraOptions>) => () => loraShapes(shapes, { rank: 2, match: /qkv/, ...options });
  expect(bad({ match: /nowhere/ })).toThrow(
    "lora: expected layers that match /nowhere/, got none among 5 parameters (block.qkv.weight, block.qkv.bias, block.conv.weight, …)",
  );
  expect(bad({ match: [/qkv/, /out\.0/] })).toThrow(/match \/out\\\.0\/, got none/); // a norm has no matrix
  expect(bad({ also: /tail/ })).toThrow(/match \/tail\//);
  expect(bad({ match: [] })).toThrow(WeightsError);
  expect(bad({ also: /qkv\.weight/ })).toThrow(/block\.qkv\.weight: adapted by match and trained in full by also/);
  expect(bad({ scalars: { "out.0.weight": 1 } })).toThrow(/scalars may not have the names of parameters/);
  for (const rank of [0, 1.5, Number.NaN]) expect(bad({ rank })).toThrow(RangeError);
  expect(bad({ alpha: Number.NaN })).toThrow(/alpha must be a number/);
  expect(bad({ init: "zero" as "standard" })).toThrow(/must be "standard" or "ud2m", got zero/);
  // a pattern with a memory of its own is asked afresh each time
  expect(Object.keys(loraShapes(shapes, { rank: 2, match: /block/g }))).toHaveLength(4);
});

test("merge says which adapters it misses", async () => {
  const params: Params = base();
  const { adapters, flat, merge } = lora(params, { rank: 2, match: /qkv/ });
  expect(() => merge({})).toThrow(/merge expects the adapters that lora gave, .*lora_B is missing/);
  dispose([params, adapters, flat]);
});

test("counts of UD2M: ADM ImageNet 256 and DDPM LSUN 256, nothing allocated", () => {
  const adm = officialAdm({
    image_size: 256,
    in_channels: 3,
    model_channels: 256,
    out_channels: 6,
    num_res_blocks: 2,
    attention_resolutions: [8, 16, 32],
    channel_mult: [1, 1, 2, 2, 4, 4],
    num_head_channels: 64,
    use_scale_shift_norm: true,
    resblock_updown: true,
  });
  const count = (shapes: Record<string, readonly number[]>) =>
    Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
  const admAt = (rank: number) =>
    count(loraShapes(shapesOf(adm.parameters), { rank, alpha: 1.5, init: "ud2m", match: /(qkv|proj_out)$/ }));
  expect([2, 5, 20].map(admAt)).toEqual([165_888, 414_720, 1_658_880]);
  // six attentions of 512 channels, each with q, k, v and proj_out as 1 x 1 convolutions
  const places = ["down.4.attn.0", "down.4.attn.1", "mid.attn_1", "up.4.attn.0", "up.4.attn.1", "up.4.attn.2"];
  const lsun = Object.fromEntries(
    places.flatMap((at) => ["q", "k", "v", "proj_out"].map((m) => [`${at}.${m}.weight`, [512, 512, 1, 1]])),
  );
  expect(count(loraShapes(lsun, { rank: 5, init: "ud2m", match: /(\.q|\.k|\.v|proj_out)$/ }))).toBe(122_880);
});
