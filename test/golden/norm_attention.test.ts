import { describe, test } from "vitest";
import { attention, attentionQkv } from "../../kernels/attention.ts";
import { groupNorm } from "../../kernels/group_norm.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { linear } from "../../kernels/matmul.ts";
import { reshape } from "../../kernels/reshape.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { golden, nhwc, type Stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const file = golden("ops");
const stored = (name: string): Stored => nhwc(file?.tensors.get(name) as Stored);
const load = (name: string): Tensor => tensor(stored(name).shape, stored(name).data);

/** [a, b, c] as [a, c, b]: tokens are rows here. Two axes count as [1, b, c]. */
function swapped({ shape, data }: Stored): Stored {
  const [A, B, C] = (shape.length === 2 ? [1, ...shape] : shape) as [number, number, number];
  const out = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const [a, b, c] = [Math.floor(i / (B * C)), Math.floor(i / C) % B, i % C];
    out[(a * C + c) * B + b] = data[i] as number;
  }
  return { shape: [A, C, B], data: out };
}

/** The value of f and its gradient, against what PyTorch stored. */
async function compare(
  name: string,
  input: string,
  layout: (s: Stored) => Stored,
  f: (x: Tensor) => Tensor,
  l2 = 5e-6,
) {
  const [x, y, r, grad] = [`in.${input}`, "y", "r", `grad.${input}`].map((part) =>
    layout(file?.tensors.get(`${name}.${part}`) as Stored),
  ) as [Stored, Stored, Stored, Stored];
  const got = await evaluate(() => {
    const { value, pullback } = vjp(f, tensor(x.shape, x.data));
    return { value, grad: pullback(tensor(r.shape, r.data))[0] };
  });
  expectClose(got.value, y.data, { l2 });
  expectClose(got.grad, grad.data, { l2 });
}

describe.skipIf(!file)("norm and attention as the official PyTorch code does them", () => {
  test.each([
    ["attn_adm_legacy", "legacy"],
    ["attn_adm_new", "new"],
    ["attn_edm", "edm"],
  ] as const)("%s", async (name, order) => {
    await compare(name, "qkv", swapped, (x) => attentionQkv(x, { heads: 4, order }));
  });

  test("groupnorm_3of12", async () => {
    const of = () => [load("groupnorm_3of12.param.weight"), load("groupnorm_3of12.param.bias")] as const;
    await compare("groupnorm_3of12", "x", nhwc, (x) => groupNorm(x, ...of(), { groups: 3, eps: 1e-6 }));
  });

  // PyTorch's own mean is off by the last bit of the constant, which is 2e-4 of the noise; ours is not
  test.each([false, true])("groupnorm_constant, composed: %s", async (composed) => {
    await compare(
      "groupnorm_constant",
      "x",
      nhwc,
      (x) => groupNorm(x, undefined, undefined, { groups: 4, composed }),
      5e-4,
    );
  });

  test("attn_ncsnpp and attn_pesser, whole blocks", async () => {
    const block = (
      name: string,
      norm: string,
      groups: number,
      projection: (which: number) => [Tensor, Tensor],
      skip: number,
    ) =>
      compare(name, "x", nhwc, (x) => {
        const [N, H, W, C] = x.shape as [number, number, number, number];
        const h = reshape(
          groupNorm(x, load(`${name}.param.${norm}.weight`), load(`${name}.param.${norm}.bias`), { groups, eps: 1e-6 }),
          [N, H * W, C],
        );
        const [q, k, v] = [0, 1, 2].map((i) => linear(h, ...projection(i))) as [Tensor, Tensor, Tensor];
        const o = linear(attention(q, k, v, { heads: 1 }), ...projection(3));
        return lincomb(skip, x, skip, reshape(o, x.shape));
      });
    const nin = (i: number): [Tensor, Tensor] => {
      const { shape, data } = swapped(file?.tensors.get(`attn_ncsnpp.param.NIN_${i}.W`) as Stored);
      return [tensor(shape.slice(1), data), load(`attn_ncsnpp.param.NIN_${i}.b`)];
    };
    const pesser = (i: number): [Tensor, Tensor] => {
      const name = `attn_pesser.param.${["q", "k", "v", "proj_out"][i]}`;
      return [reshape(load(`${name}.weight`), [32, 32]), load(`${name}.bias`)];
    };
    await block("attn_ncsnpp", "GroupNorm_0", 2, nin, Math.SQRT1_2);
    await block("attn_pesser", "norm", 32, pesser, 1);
  });
});
