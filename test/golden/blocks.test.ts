// Whole blocks of the official networks, from our ops.
import { describe, test } from "vitest";
import { add } from "../../kernels/broadcast.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { silu } from "../../kernels/elementwise.ts";
import { firUp } from "../../kernels/fir.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear } from "../../kernels/matmul.ts";
import { avgPool2 } from "../../kernels/pool.ts";
import { reshape } from "../../kernels/reshape.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { golden, nhwc, type Stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const file = golden("ops");

type Inputs = Record<string, Tensor>;
type Block = (inputs: Inputs, p: (name: string) => Tensor) => Tensor;

/** Value and gradient of every input and parameter that PyTorch stored one for. */
async function compare(name: string, block: Block): Promise<void> {
  const all = file?.tensors as Map<string, Stored>;
  const under = (part: string) =>
    Object.fromEntries(
      [...all]
        .filter(([k]) => k.startsWith(`${name}.${part}.`))
        .map(([k, s]) => [k.slice(name.length + part.length + 2), s]),
    );
  // pictures turn, weights do not
  const input = (s: Stored) => tensor(nhwc(s).shape, nhwc(s).data);
  const weight = (s: Stored) => tensor(s.shape, s.data);
  const [ins, params, grads] = [under("in"), under("param"), under("grad")];
  const map = (of: Record<string, Stored>, f: (s: Stored) => Tensor): Inputs =>
    Object.fromEntries(Object.entries(of).map(([k, s]) => [k, f(s)]));
  const got = await evaluate(() => {
    const { value, pullback } = vjp(
      (x: Inputs, w: Inputs) => block(x, (k) => w[k] as Tensor),
      map(ins, input),
      map(params, weight),
    );
    const [dx, dw] = pullback(input(all.get(`${name}.r`) as Stored));
    return { value, dx, dw };
  });
  expectClose(got.value, nhwc(all.get(`${name}.y`) as Stored).data, { l2: 1e-5 });
  for (const [k, want] of Object.entries(grads)) {
    const picture = Object.hasOwn(ins, k);
    expectClose((picture ? got.dx[k] : got.dw[k]) as Float32Array, (picture ? nhwc(want) : want).data, { l2: 1e-4 });
  }
}

/** [N, C] as a picture of one pixel. */
const pixel = (e: Tensor) => reshape(e, [e.shape[0] as number, 1, 1, e.shape[1] as number]);

describe.skipIf(!file)("blocks as the official PyTorch code does them", () => {
  test("adm_down_conv", () =>
    compare("adm_down_conv", ({ x }, p) =>
      conv2d(x as Tensor, p("weight"), { bias: p("bias"), stride: 2, padding: 1 }),
    ));

  test("adm_resblock_down", () =>
    compare("adm_resblock_down", ({ x, emb }, p) => {
      const norm = (h: Tensor, k: string, more = {}) =>
        groupNorm(h, p(`${k}.weight`), p(`${k}.bias`), { groups: 32, silu: true, ...more });
      const conv = (h: Tensor, k: string, padding: number, more = {}) =>
        conv2d(h, p(`${k}.weight`), { bias: p(`${k}.bias`), padding, ...more });
      const h = conv(avgPool2(norm(x as Tensor, "in_layers.0")), "in_layers.2", 1);
      const e = linear(silu(emb as Tensor), p("emb_layers.1.weight"), p("emb_layers.1.bias"));
      const residual = conv(avgPool2(x as Tensor), "skip_connection", 0);
      return conv(norm(h, "out_layers.0", { scaleShift: e }), "out_layers.3", 1, { residual });
    }));

  test("ncsnpp_resblock_up", () =>
    compare("ncsnpp_resblock_up", ({ x, temb }, p) => {
      const norm = (h: Tensor, k: string) => {
        const groups = Math.min(32, (h.shape[3] as number) / 4);
        return groupNorm(h, p(`${k}.weight`), p(`${k}.bias`), { groups, eps: 1e-6, silu: true });
      };
      const conv = (h: Tensor, k: string, padding: number) =>
        conv2d(h, p(`${k}.weight`), { bias: p(`${k}.bias`), padding });
      let h = conv(firUp(norm(x as Tensor, "GroupNorm_0")), "Conv_0", 1);
      h = add(h, pixel(linear(silu(temb as Tensor), p("Dense_0.weight"), p("Dense_0.bias"))));
      h = conv(norm(h, "GroupNorm_1"), "Conv_1", 1);
      return lincomb(Math.SQRT1_2, conv(firUp(x as Tensor), "Conv_2", 0), Math.SQRT1_2, h);
    }));
});
