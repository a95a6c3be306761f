import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { asComplex } from "../../kernels/reshape.ts";
import { valueAndGrad } from "../../src/autograd/vjp.ts";
import { countParameters, type Params } from "../../src/nets/net.ts";
import { ssdiffrecon } from "../../src/nets/ssdiffrecon.ts";
import { mapLatents } from "../../src/nets/ssdiffrecon_mapper.ts";
import { scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { heldOutLoss } from "../../src/train/kspace_split.ts";
import { operatorOf } from "../../src/train/mri_data.ts";
import { hardConsistency } from "../../src/train/ssdiffrecon.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded } from "../lib/seeded.ts";

withGpu();

const file = parseSafetensors(readFileSync(new URL("../fixtures/ssdiffrecon.safetensors", import.meta.url)));
const want = (name: string) => widen(file.entry(name));
const [N, H, W, COILS] = [2, 6, 7, 2];
const net = ssdiffrecon({ blocks: 2, channels: 8, latents: 3, width: 8, layers: 4 });
/** As the fixture has them. */
const scaleOf = (name: string, rank: number) => {
  const slow = /mapper\.(local|global)\.\d\.dense/.test(name) ? 100 : 1;
  return name === "mapper.positions" ? 1 : slow * (rank > 1 ? 2 : 0.2);
};
const weights = (): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(net.parameters).map(([name, { shape }]) => {
      const scale = scaleOf(name, shape.length);
      return [
        name,
        tensor(
          shape,
          seeded(
            name,
            shape.reduce((a, b) => a * b),
          ).map((v) => scale * v),
        ),
      ];
    }),
  );
const given = () => {
  const [mask, held] = ["mask", "held"].map((name) => tensor([H, W, 1], want(name))) as [Tensor, Tensor];
  const y = asComplex(tensor([N, H, W, COILS, 2], seeded("y", N * H * W * COILS * 2)));
  const maps = asComplex(tensor([H, W, COILS, 2], want("maps")));
  return {
    y: mul(y, mask),
    mask,
    maps,
    held,
    target: mul(y, held),
    x: tensor([N, H, W, 2], seeded("x", N * H * W * 2)),
  };
};

test("predicts, and is trained, as float64 PyTorch is: picture, loss on held-out samples, gradients", async () => {
  const names = file.names.filter((n) => n.startsWith("grad.") && n !== "grad.x").map((n) => n.slice(5));
  expect(names).toHaveLength(13);
  const got = await evaluate(() => {
    const params = weights();
    const { x, ...batch } = given();
    const predict = (p: Params, xt: Tensor) =>
      net.apply({ ...params, ...p }, xt, [3, 700], hardConsistency(operatorOf(batch), batch.y));
    const some = Object.fromEntries(names.map((n) => [n, params[n] as Tensor]));
    return {
      y: predict({}, x),
      ...valueAndGrad((p: { x: Tensor; some: Params }) => heldOutLoss(predict(p.some, p.x), batch))({ x, some }),
    };
  });
  const errors = {
    y: expectClose(got.y, want("y"), { l2: 2e-5 }),
    loss: expectClose(got.value, want("loss"), { l2: 1e-5 }),
    x: expectClose(got.grad.x, want("grad.x"), { l2: 1e-4 }),
    ...Object.fromEntries(
      names.map((n) => [n, expectClose(got.grad.some[n] as Float32Array, want(`grad.${n}`), { l2: 1e-4 })]),
    ),
  };
  const told = Object.entries(errors).map(([n, e]) => `${n} ${e.toExponential(1)}`);
  console.log(`ssdiffrecon: ${told.join(", ")}`);
});

test("local latents differ from each other and with the time; the published size is told", async () => {
  const { local } = await evaluate(() => mapLatents(weights(), [0, 4], { latents: 3, width: 8, layers: 4 }));
  const of = (i: number) => [...local.slice(8 * i, 8 * i + 8)];
  for (let i = 1; i < 6; i++)
    expect(Math.max(...of(i).map((v, c) => Math.abs(v - (of(0)[c] as number))))).toBeGreaterThan(0.1);
  // 43,776 of the mapper, 6,272 first, 6 blocks of 111,938, 2,242 last
  expect(countParameters(ssdiffrecon())).toBe(723_918);
  scope(() =>
    expect(() => net.apply({}, tensor([1, 4, 4, 3], new Float32Array(48)), 0, (x) => x)).toThrow(
      "ssdiffrecon: x expects [N, H, W, 2], got [1,4,4,3]",
    ),
  );
  expect(() => ssdiffrecon({ width: 6 })).toThrow(/multiple of 4/);
});
