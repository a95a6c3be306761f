import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { cast } from "../../kernels/cast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { gpu } from "../../src/gpu/open.ts";
import { countParameters, type Params, type Specs } from "../../src/nets/net.ts";
import { halvesFrom, halvesTo } from "../../src/tensor/half.ts";
import { watched } from "../../src/tensor/op.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose, relativeL2 } from "./close.ts";
import { golden, nhwc, type Stored } from "./golden.ts";
import { evaluate } from "./gpu.ts";

export interface Case {
  parameters: Readonly<Specs>;
  /** The network on x, given in NHWC; labels and the rest come from `io`, as stored. */
  apply(params: Params, x: Tensor, io: ReadonlyMap<string, Stored>): Tensor;
  /** Names in the file that are no parameters of ours (buffers). */
  buffers?: readonly string[];
}

const rounded = (x: ArrayLike<number>) => Float64Array.from(halvesTo(halvesFrom(x)));
const of = (s: Stored, dtype: "f32" | "f16" = "f32") => tensor(s.shape, s.data, dtype);

/** What the official code gave for a network: y, the gradients of <r, y>, and y again in f16. Prints each error. */
export function goldenCase(name: string, build: (json: Record<string, unknown>) => Case): void {
  const stored = golden(name);
  const open = () => {
    const { json, tensors, io } = stored as NonNullable<typeof stored>;
    const net = build(json);
    const { rel_l2 } = json.float32_vs_float64 as { rel_l2: number };
    const mine = [...tensors].filter(([key]) => !net.buffers?.includes(key));
    const all = io as Map<string, Stored>;
    return { json, net, rel_l2, mine, io: all, get: (key: string) => nhwc(all.get(key) as Stored) };
  };

  test.skipIf(!stored)(`${name}: output and gradients of the official code`, async () => {
    const { json, net, rel_l2, mine, io, get } = open();
    expect(Object.keys(net.parameters).sort()).toEqual(mine.map(([key]) => key).sort());
    for (const [key, s] of mine) expect(net.parameters[key]?.shape, key).toEqual(s.shape);
    if (!net.buffers) expect(countParameters(net)).toBe(json.parameters);
    const wanted = json.grads as string[];
    const out = await evaluate(() => {
      const params = Object.fromEntries(mine.map(([k, s]) => [k, of(s)]));
      const some = Object.fromEntries(wanted.map((k) => [k, params[k] as Tensor]));
      const { grad } = valueAndGrad((p: { x: Tensor; some: Record<string, Tensor> }) =>
        sum(mul(net.apply({ ...params, ...p.some }, p.x, io), of(get("r")))),
      )({ x: of(get("x")), some });
      return { y: net.apply(params, of(get("x")), io), grad };
    });
    const errors = [`y ${expectClose(out.y, get("y").data, { l2: Math.max(1e-4, 5 * rel_l2) }).toExponential(1)}`];
    const l2 = Math.max(3e-4, 10 * rel_l2);
    errors.push(`x ${expectClose(out.grad.x, get("grad.x").data, { l2 }).toExponential(1)}`);
    for (const k of wanted) {
      const want = (io.get(`grad.${k}`) as Stored).data;
      expectClose(out.grad.some[k] as Float32Array, want, { l2 });
      errors.push(`${k} ${relativeL2(out.grad.some[k] as Float32Array, want).toExponential(1)}`);
    }
    console.log(`${name}: ${errors.join(", ")}`);
  });

  test.skipIf(!stored)(`${name}: in f16`, async () => {
    if (!gpu().f16) {
      console.log(`skipped: ${name} in f16: this adapter has no shader-f16`);
      return;
    }
    const { net, mine, io, get } = open();
    const want = get("y").data;
    const { half, ideal } = await evaluate(() => {
      const params = (dtype: "f32" | "f16") =>
        Object.fromEntries(
          mine.map(([k, s]) => {
            const matrix = s.shape.length > 1;
            return [k, of(matrix ? { ...s, data: rounded(s.data) } : s, matrix ? dtype : "f32")];
          }),
        );
      const x = { ...get("x"), data: rounded(get("x").data) };
      const half = net.apply(params("f16"), of(x, "f16"), io);
      expect(half.dtype).toBe("f16");
      // the same network in f32, its weights and each activation (not the embeddings) rounded to f16
      const ideal = watched(
        (out) => (out.dtype === "f32" && out.shape.length > 2 ? scope(() => cast(cast(out, "f16"), "f32")) : undefined),
        () => net.apply(params("f32"), of(x), io),
      );
      return { half, ideal };
    });
    const floor = relativeL2(ideal, want);
    const error = expectClose(half, want, { l2: Math.max(2e-2, 3 * floor) });
    console.log(`${name} in f16: ${error.toExponential(1)}; rounding alone ${floor.toExponential(1)}`);
  });
}
