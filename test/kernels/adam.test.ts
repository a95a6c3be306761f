import { expect, test } from "vitest";
import { adam as reference, type State } from "../../kernels/adam.reference.ts";
import { adamStep } from "../../kernels/adam.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const options = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, emaDecay: 0.95 };

test.each([
  [1, undefined],
  [37, 0.5],
  [1024, 1e3],
  [65_536 * 64 + 5, undefined],
])("ten steps over %d parameters, clipped at %s, with their average", async (n, maxNorm) => {
  const steps = n > 1e6 ? 1 : 10;
  const start = asF32(normals(Math.min(n, 4099), 1));
  const full = n > 4099 ? Float64Array.from({ length: n }, (_, i) => start[i % 4099]!) : start;
  const zero = new Float64Array(n);
  let want: State = { param: full, m: zero, v: zero, ema: full };
  const grads = Array.from({ length: steps }, (_, s) => {
    const g = asF32(normals(Math.min(n, 4099), 10 + s));
    return n > 4099 ? Float64Array.from({ length: n }, (_, i) => g[i % 4099]!) : g;
  });
  grads.forEach((g, i) => {
    want = reference(want, g, { ...options, step: i + 1, ...(maxNorm && { maxNorm }) });
  });
  const out = await evaluate(() => {
    const s = { param: tensor([n], full), m: tensor([n], zero), v: tensor([n], zero), ema: tensor([n], full) };
    grads.forEach((g, i) => {
      const grad = tensor([n], g);
      adamStep(
        { ...s, grad, normSquared: maxNorm ? sumSquares(grad) : undefined },
        { ...options, step: i + 1, maxNorm },
      );
    });
    return s;
  });
  expectClose(out.param, want.param, { l2: 2e-6 });
  expectClose(out.m, want.m, { l2: 2e-6 });
  expectClose(out.v, want.v, { l2: 2e-6 });
  expectClose(out.ema, want.ema, { l2: 2e-6 });
});

test("halves as gradients under a loss scale, and no average", async () => {
  const [x, g] = [asF32(normals(96, 1)), asF32(normals(96, 2))];
  const zero = new Float64Array(96);
  const out = await evaluate(() => {
    const [param, m, v, grad] = [tensor([96], x), tensor([96], zero), tensor([96], zero), tensor([96], g, "f16")];
    adamStep({ param, m, v, grad }, { ...options, step: 1, gradScale: 0.25 });
    return { param, m, v, grad };
  });
  const want = reference(
    { param: x, m: zero, v: zero, ema: x },
    out.grad.map((u) => u / 4),
    { ...options, step: 1 },
  );
  expectClose(out.param, want.param, { l2: 2e-6 });
});

test("a gradient that is not finite changes nothing, and its writes are seen by what was derived", async () => {
  const out = await evaluate(() => {
    const [param, m, v] = [tensor([3], [1, 2, 3]), tensor([3], [0, 0, 0]), tensor([3], [0, 0, 0])];
    const before = param.storage.version;
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const grad = tensor([3], [1, bad, 1]);
      adamStep({ param, m, v, grad, normSquared: sumSquares(grad) }, { ...options, step: 1, maxNorm: 1 });
    }
    expect(param.storage.version).toBeGreaterThan(before);
    return { param, m, v };
  });
  expect([...out.param, ...out.m, ...out.v]).toEqual([1, 2, 3, 0, 0, 0, 0, 0, 0]);
});

test("refuses states that do not fit", async () => {
  await evaluate(() => {
    const [a, b] = [tensor([3], [1, 2, 3]), tensor([2], [1, 2])];
    expect(() => adamStep({ param: a, m: a, v: b, grad: a }, { lr: 1, step: 1 })).toThrow(
      "adamStep: v is f32 [2], expected f32 [3] as the gradient",
    );
    expect(() => adamStep({ param: a, m: a, v: a, grad: a }, { lr: 1, step: 0 })).toThrow(
      "adamStep: steps count from 1, got 0",
    );
    expect(() => adamStep({ param: a, m: a, v: a, grad: a }, { lr: 1, step: 1, maxNorm: 1 })).toThrow(
      "adamStep: maxNorm needs normSquared",
    );
    return [];
  });
});
