import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { rng } from "../../kernels/random.ts";
import { mean } from "../../kernels/reduce.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { admUnet } from "../../src/nets/adm_unet.ts";
import { controlNet, controlStart } from "../../src/nets/controlnet.ts";
import { initParams } from "../../src/nets/net.ts";
import { spaceToDepth } from "../../src/nets/space_to_depth.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { expectClose, relativeL2 } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";

withGpu();

const net = admUnet({ resolution: 8, channels: 32, multipliers: [1, 2], blocks: 1, inChannels: 12, outChannels: 12 });
const control = controlNet(net, { block: 2 });
const times = [300, 20];
/** What is zero at first would hide what is wrong. */
const random = () => {
  const parameters = Object.fromEntries(
    Object.entries(net.parameters).map(([name, spec]) => [
      name,
      spec.init === 0 ? { ...spec, init: { std: 0.1 } } : spec,
    ]),
  );
  return initParams({ parameters }, rng(3));
};
const free = ({ tree, chunks }: { tree: Record<string, Tensor>; chunks: Tensor[] }) => dispose([tree, chunks]);
const inputs = () => [tensor([2, 8, 12, 3], normals(576, 1)), tensor([2, 8, 12, 3], normals(576, 2))] as const;

test("its parameters are the encoder's and the middle's, and zeros, under CoSIGN's names", () => {
  const names = Object.keys(control.parameters);
  expect(names.some((n) => /^(output_blocks|out)\./.test(n))).toBe(false);
  // two blocks on each of two levels: conv, block, down, block
  expect(net.widths).toEqual([32, 32, 32, 64, 64]);
  for (let i = 0; i < 4; i++)
    expect(control.parameters[`zero_convs.${i}.0.weight`]?.shape).toEqual([net.widths[i], net.widths[i], 1, 1]);
  expect(control.parameters["middle_block_out.0.weight"]?.shape).toEqual([64, 64, 1, 1]);
  expect(control.parameters["input_hint_block.0.weight"]).toEqual({ shape: [32, 12, 3, 3], init: 0 });
});

test("before training it is the frozen network, to the last bit, whatever the hint", async () => {
  const base = random();
  const own = controlStart(control, base.tree, rng(5));
  const out = await evaluate(() => {
    const [x, hint] = inputs();
    return {
      y: control.apply(own.tree, x, times, hint, base.tree),
      hint: control.apply(own.tree, x, times, x, base.tree),
    };
  });
  const plain = await evaluate(() => spaceToDepth(net, 2).apply(base.tree, inputs()[0], times));
  expect(plain).toEqual(out.y);
  expect(out.hint).toEqual(out.y);
  expect(Math.hypot(...plain)).toBeGreaterThan(1);
  free(base);
  free(own);
});

test("a copy joined by identities doubles every skip connection and the middle; the hint enters after the first block", async () => {
  const base = random();
  const own = controlStart(control, base.tree, rng(5));
  const eye = (C: number) => Float32Array.from({ length: C * C }, (_, i) => (i % (C + 1) === 0 ? 1 : 0));
  net.widths.forEach((C, i) => {
    upload(own.tree[`${i === 4 ? "middle_block_out" : `zero_convs.${i}`}.0.weight`] as Tensor, eye(C));
  });
  const plain = controlNet(net);
  const out = await evaluate(() => {
    const x = tensor([2, 4, 6, 12], normals(576, 1));
    const hint = tensor([2, 4, 6, 12], normals(576, 2));
    const emb = net.embed(base.tree, times, 2);
    const doubled = net.encode(base.tree, x, emb).map((h) => lincomb(2, h));
    return { got: plain.apply(own.tree, x, times, hint, base.tree), want: net.decode(base.tree, doubled, emb) };
  });
  expectClose(out.got, out.want, { l2: 1e-5 });
  upload(own.tree["input_hint_block.0.bias"] as Tensor, new Float32Array(32).fill(0.5));
  const told = await evaluate(() => {
    const [x, hint] = [tensor([2, 4, 6, 12], normals(576, 1)), tensor([2, 4, 6, 12], normals(576, 2))];
    return plain.apply(own.tree, x, times, hint, base.tree);
  });
  expect(relativeL2(told, out.got)).toBeGreaterThan(1e-3);
  free(base);
  free(own);
});

test("its gradient is the slope of the loss, and the base has none to pay for", async () => {
  const base = random();
  const own = controlStart(control, base.tree, rng(5));
  // away from zero, so that all of it takes part
  const names = Object.keys(own.tree).filter((name) => /zero_convs|middle_block_out|hint/.test(name));
  for (const name of names) {
    const t = own.tree[name] as Tensor;
    upload(
      t,
      normals(t.size, name.length).map((v) => 0.1 * v),
    );
  }
  const loss = (p: Record<string, Tensor>) => {
    const [x, hint] = inputs();
    return mean(mul(control.apply(p, x, times, hint, base.tree), tensor([2, 8, 12, 3], normals(576, 7))));
  };
  const { value, grad } = scope(() => valueAndGrad(loss)(own.tree));
  const read = Object.fromEntries(
    await Promise.all(Object.entries(grad).map(async ([k, t]) => [k, await (t as Tensor).read()] as const)),
  );
  const length = Math.sqrt(Object.values(read).reduce((sum, g) => sum + g.reduce((a, b) => a + b * b, 0), 0));
  for (const name of [
    "time_embed.0.weight",
    "input_blocks.1.0.in_layers.2.weight",
    "middle_block.1.qkv.weight",
    ...names,
  ])
    expect(Math.hypot(...(read[name] as Float32Array)), name).toBeGreaterThan(0);
  const h = 0.003;
  const moved = (sign: number) =>
    evaluate(() =>
      loss(
        Object.fromEntries(
          Object.entries(own.tree).map(([k, t]) => [k, lincomb(1, t, (sign * h) / length, grad[k] as Tensor)]),
        ),
      ),
    );
  const [up, down] = [await moved(1), await moved(-1)];
  const slope = ((up[0] as number) - (down[0] as number)) / (2 * h);
  console.log(`slope ${slope.toExponential(4)}, gradient ${length.toExponential(4)}`);
  expect(Math.abs(slope / length - 1)).toBeLessThan(0.01);
  dispose([value, grad]);
  free(base);
  free(own);
});
