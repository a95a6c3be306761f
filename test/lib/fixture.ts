import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import type { Net } from "../../src/nets/net.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "./close.ts";
import { evaluate } from "./gpu.ts";
import { seeded, seededParameter } from "./seeded.ts";

export interface FixtureNet {
  net: Net;
  /** Of x, in NHWC. */
  shape: Shape;
  t: readonly number[];
  /** Where a parameter is not what `seededParameter` says. */
  values?: (name: string, shape: Shape) => Float32Array | undefined;
}

/** The parameters of a fixture's network. */
export const fixtureParams = ({ net, values }: FixtureNet): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([name, { shape }]) => [
      name,
      tensor(shape, values?.(name, shape) ?? seededParameter(name, shape)),
    ]),
  );

/**
 * y, and the gradients of <r, y>, as test/fixtures/FILE.safetensors has them under CASE.y, CASE.grad.x and
 * CASE.grad.<parameter>; x and r are numbers seeded by CASE.x and CASE.r. Pictures lie there in NHWC.
 */
export function fixtureCase(file: string, name: string, given: FixtureNet, l2 = 1e-5): void {
  test(`${name}: output and gradients as float64 PyTorch gives them`, async () => {
    const stored = parseSafetensors(readFileSync(new URL(`../fixtures/${file}.safetensors`, import.meta.url)));
    const want = (key: string) => widen(stored.entry(`${name}.${key}`));
    const prefix = `${name}.grad.`;
    const names = stored.names.filter((n) => n.startsWith(prefix) && n !== `${prefix}x`);
    const keys = names.map((n) => n.slice(prefix.length));
    expect(keys.length).toBeGreaterThan(2);
    const { net, shape, t } = given;
    const picture = (of: string, like: Shape) => tensor(like, seeded(`${name}.${of}`, sizeOf(like)));
    const { y, grad } = await evaluate(() => {
      const params = fixtureParams(given);
      const out = net.apply(params, picture("x", shape), t);
      const some = Object.fromEntries(keys.map((k) => [k, params[k] as Tensor]));
      const { grad } = valueAndGrad((p: { x: Tensor; some: Record<string, Tensor> }) =>
        sum(mul(net.apply({ ...params, ...p.some }, p.x, t), picture("r", out.shape))),
      )({ x: picture("x", shape), some });
      return { y: out, grad };
    });
    const errors = [
      `y ${expectClose(y, want("y"), { l2 }).toExponential(1)}`,
      `x ${expectClose(grad.x, want("grad.x"), { l2: 10 * l2 }).toExponential(1)}`,
      ...keys.map(
        (k) => `${k} ${expectClose(grad.some[k] as Float32Array, want(`grad.${k}`), { l2: 10 * l2 }).toExponential(1)}`,
      ),
    ];
    console.log(`${name}: ${errors.join(", ")}`);
  });
}
