// The heads of LPIPS against the published module: features in, distances and gradients out.
import { expect, test } from "vitest";
import { sum } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { lpipsInput, lpipsLayer } from "../../src/metrics/lpips.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc, type Stored, stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const file = stored("golden/lpips_head_vgg.safetensors");

test.skipIf(!file)("the heads for VGG", async () => {
  const at = (name: string) => nhwc(file?.get(name) as Stored);
  const put = (name: string) => tensor(at(name).shape, at(name).data);
  const errors: number[] = [];
  let total = [0, 0];
  for (let k = 0; k < 5; k++) {
    const { d, grad } = await evaluate(() => {
      const { shape, data } = file?.get(`lin.${k}`) ?? at("");
      const w = tensor(shape, data);
      const other = put(`feat1.${k}`);
      const { grad } = valueAndGrad((p: { f: Tensor }) => sum(lpipsLayer(p.f, other, w)))({ f: put(`feat0.${k}`) });
      return { d: lpipsLayer(put(`feat0.${k}`), other, w), grad: grad.f };
    });
    errors.push(expectClose(d, at(`layer.${k}`).data, { l2: 1e-5 }));
    errors.push(expectClose(grad, at(`grad.feat0.${k}`).data, { l2: 1e-5 }));
    total = total.map((t, n) => t + (d[n] as number));
  }
  expectClose(total, at("y").data, { l2: 1e-5 });
  const { z } = await evaluate(() => ({ z: lpipsInput(put("x0")) }));
  errors.push(expectClose(z, at("scaled_x0").data, { l2: 1e-6 }));
  expect(errors).toHaveLength(11);
  console.log(`lpips heads: ${errors.map((e) => e.toExponential(1)).join(" ")}`);
});
