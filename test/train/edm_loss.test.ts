import { expect, test } from "vitest";
import { add, mul } from "../../kernels/broadcast.ts";
import { rng } from "../../kernels/random.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { type EdmLossOptions, edmLoss } from "../../src/train/edm_loss.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

const [N, H, W, C] = [5, 7, 6, 3];
const n = N * H * W * C;
const images = asF32(normals(n, 1).map((v) => 0.4 * v));
const weight = asF32([0.7, -0.3, 1.1]);
const shift = asF32([0.2, 0.05, -0.4]);

test.each<[string, EdmLossOptions]>([
  ["the paper's levels", {}],
  ["small levels", { logMean: -6, logStd: 0.5 }],
  ["large levels and another sigma_data", { logMean: 3, logStd: 1, sigmaData: 0.3 }],
])("at %s: the mean of w(s) (D - x0)^2 and its gradient, for F(x, l) = a x + b l", async (_, options) => {
  const { sigmaData: d = 0.5, logMean = -1.2, logStd = 1.2 } = options;
  const out = await evaluate(() => {
    const x0 = tensor([N, H, W, C], images);
    const of = ({ a, b }: { a: Tensor; b: Tensor }) =>
      edmLoss((x, l) => add(mul(x, a), mul(tensor([N, 1, 1, 1], l), b)), x0, rng(9), options);
    // the same generator draws the levels first, then the noise
    const twin = rng(9);
    const levels = Array.from({ length: N }, () => logMean + logStd * twin.gaussian());
    return { ...valueAndGrad(of)({ a: tensor([C], weight), b: tensor([C], shift) }), z: twin.normal(x0.shape), levels };
  });

  let loss = 0;
  const [da, db] = [new Float64Array(C), new Float64Array(C)];
  for (let i = 0; i < n; i++) {
    const c = i % C;
    const l = out.levels[Math.floor(i / (H * W * C))] as number;
    const s = Math.exp(l);
    const total = Math.sqrt(s ** 2 + d ** 2);
    const [cSkip, cOut, cIn] = [d ** 2 / total ** 2, (s * d) / total, 1 / total];
    const w = total ** 2 / (s * d) ** 2;
    const x0 = images[i] as number;
    const x = x0 + s * (out.z[i] as number);
    const D = cSkip * x + cOut * ((weight[c] as number) * cIn * x + (shift[c] as number) * l);
    loss += (w * (D - x0) ** 2) / n;
    const slope = (2 * w * (D - x0) * cOut) / n;
    da[c] = (da[c] as number) + slope * cIn * x;
    db[c] = (db[c] as number) + slope * l;
  }
  expectClose(out.value, [loss], { l2: 1e-5 });
  expectClose(out.grad.a, da, { l2: 1e-5 });
  expectClose(out.grad.b, db, { l2: 1e-5 });
});

test("white pictures of deviation sigma_data make a target of unit variance at every level, so F = 0 loses one", async () => {
  const pixels = [64, 32, 32, 3] as const;
  const { value } = await evaluate(() => {
    const x0 = mul(rng(1).normal(pixels), tensor([], [0.5]));
    return { value: edmLoss((x) => mul(x, tensor([], [0])), x0, rng(2)) };
  });
  expect(Math.abs((value[0] as number) - 1)).toBeLessThan(4 * Math.sqrt(2 / (64 * 32 * 32 * 3)));
});
