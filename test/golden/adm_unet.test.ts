import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { type OfficialAdm, officialAdm } from "../../src/catalogue.ts";
import { countParameters } from "../../src/nets/net.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose, relativeL2 } from "../lib/close.ts";
import { golden, nhwc, type Stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const of = (s: Stored | undefined) => tensor((s as Stored).shape, (s as Stored).data);

for (const name of ["adm_plain_cond", "adm_updown", "adm_wide_first"]) {
  const stored = golden(name);
  test.skipIf(!stored)(`${name}: output and gradients of the official code`, async () => {
    const { json, tensors, io } = stored as NonNullable<typeof stored>;
    const net = officialAdm(json.config as OfficialAdm);
    expect(Object.keys(net.parameters).sort()).toEqual([...tensors.keys()].sort());
    expect(countParameters(net)).toBe(json.parameters);
    const get = (key: string) => nhwc(io?.get(key) as Stored);
    const t = [...get("timesteps").data];
    const label = io?.has("label") ? [...get("label").data] : undefined;
    const wanted = json.grads as string[];
    const out = await evaluate(() => {
      const params = Object.fromEntries([...tensors].map(([k, s]) => [k, of(s)]));
      const x = of(get("x"));
      const some = Object.fromEntries(wanted.map((k) => [k, params[k] as Tensor]));
      const { grad } = valueAndGrad((p: { x: Tensor; some: Record<string, Tensor> }) =>
        sum(mul(net.apply({ ...params, ...p.some }, p.x, t, label), of(get("r")))),
      )({ x, some });
      return { y: net.apply(params, x, t, label), grad };
    });
    const { rel_l2 } = json.float32_vs_float64 as { rel_l2: number };
    const errors = [`y ${expectClose(out.y, get("y").data, { l2: Math.max(1e-4, 5 * rel_l2) }).toExponential(1)}`];
    const l2 = Math.max(3e-4, 10 * rel_l2);
    errors.push(`x ${expectClose(out.grad.x, get("grad.x").data, { l2 }).toExponential(1)}`);
    for (const k of wanted) {
      const want = (io?.get(`grad.${k}`) ?? { data: new Float64Array() }).data;
      expectClose(out.grad.some[k] as Float32Array, want, { l2 });
      errors.push(`${k} ${relativeL2(out.grad.some[k] as Float32Array, want).toExponential(1)}`);
    }
    console.log(`${name}: ${errors.join(", ")}`);
  });
}
