import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { network } from "../src/architectures.ts";
import { loadLpips } from "../src/eval_weights.ts";
import { examine, loadTensors, settled } from "../src/identify.ts";
import { type LpipsNet, lpips, lpipsName } from "../src/metrics/lpips.ts";
import { LPIPS } from "../src/recognise_others.ts";
import { dispose } from "../src/tensor/scope.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { openWeights } from "../src/weights/open.ts";
import { formatSafetensors } from "../src/weights/safetensors.ts";
import { expectClose } from "./lib/close.ts";
import { folder } from "./lib/command.ts";
import { shared } from "./lib/golden.ts";
import { evaluate, withGpu } from "./lib/gpu.ts";
import { seeded, seededParameter } from "./lib/seeded.ts";

withGpu();

type Values = Record<string, { shape: readonly number[]; data: Float32Array }>;
/** Numbers for a whole LPIPS, by its names. */
function numbers(net: LpipsNet): Values {
  const specs = Object.entries(lpips({ net }).parameters);
  return Object.fromEntries(
    specs.map(([name, { shape }]) => {
      const data = seededParameter(name, shape);
      return [name, { shape, data: name.startsWith("lin") ? data.map(Math.abs) : data }];
    }),
  );
}
const write = (path: string, values: Values, rename = (name: string) => name): string => {
  const stored = Object.entries(values).map(([name, { shape, data }]) => [
    rename(name),
    { dtype: "F32" as const, shape, bytes: new Uint8Array(data.buffer) },
  ]);
  writeFileSync(path, formatSafetensors(Object.fromEntries(stored)));
  return path;
};
const part = (values: Values, heads: boolean): Values =>
  Object.fromEntries(Object.entries(values).filter(([name]) => name.startsWith("lin") === heads));
/** LPIPS's names of a trunk as torchvision's. */
const torchvision = (name: string) => name.replace(/^net\.slice\d\./, "features.");

test("one whole file, and a trunk with its heads, measure the same", async () => {
  const dir = folder();
  const values = numbers("squeeze");
  const whole = write(join(dir, "whole.safetensors"), values);
  const trunk = write(join(dir, "trunk.safetensors"), part(values, false), torchvision);
  const heads = write(join(dir, "heads.safetensors"), part(values, true));
  expect(lpipsName("squeeze", torchvision("net.slice3.6.squeeze.bias"))).toBe("net.slice3.6.squeeze.bias");
  const shape = [1, 34, 40, 3];
  const [a, b] = [seeded("a", 34 * 40 * 3), seeded("b", 34 * 40 * 3)];
  const measured = async (sources: string[]) => {
    using judge = await loadLpips(sources);
    expect(judge.net).toBe("squeeze");
    const { d } = await evaluate(() => ({ d: judge.apply(tensor(shape, a), tensor(shape, b)) }));
    return d;
  };
  const d = await measured([whole]);
  expect(d[0]).toBeGreaterThan(0);
  expectClose(await measured([heads, trunk]), d, { l2: 1e-6 });

  await expect(loadLpips([trunk])).rejects.toThrow(/the heads for squeeze are missing .*give a second file/);
  await expect(loadLpips([heads])).rejects.toThrow(/the trunk of squeeze are missing/);
  const other = write(join(dir, "other.safetensors"), part(numbers("alex"), true));
  await expect(loadLpips([trunk, other])).rejects.toThrow(/a trunk and the heads for it, got squeeze and alex/);
  await expect(loadLpips([])).rejects.toThrow(/got no file/);
});

/** NHWC to NCHW. */
const planes = (data: Float32Array, [H, W]: readonly [number, number]) =>
  Float32Array.from(data, (_, i) => data[(i % (H * W)) * 3 + Math.floor(i / (H * W))] as number);

test("the file runs as the published module does: in0 and in1, NCHW, to [N, 1, 1, 1]", async () => {
  const values = numbers("squeeze");
  const path = write(join(folder(), "whole.safetensors"), values);
  const file = await openWeights(path);
  const found = await examine(file);
  expect(found).toMatchObject({ architecture: LPIPS, config: { net: "squeeze" } });
  const params = await loadTensors(file, found);
  await file.close();
  const [a, b] = [seeded("a", 34 * 40 * 3), seeded("b", 34 * 40 * 3)];
  const { y, d } = await evaluate(() => {
    const in1 = { shape: [1, 3, 34, 40], data: planes(b, [34, 40]) };
    const y = settled(found, path).forward(
      params,
      tensor([1, 3, 34, 40], planes(a, [34, 40])),
      new Map([["in1", in1]]),
    );
    expect(y.shape).toEqual([1, 1, 1, 1]);
    const shape = [1, 34, 40, 3];
    return { y, d: lpips({ net: "squeeze" }).apply(params, tensor(shape, a), tensor(shape, b)) };
  });
  expectClose(y, d, { l2: 1e-6 });
  dispose(params);
  expect(() => network(LPIPS, { net: "vgg", trunk: false })).toThrow(/heads for vgg alone; LPIPS needs the trunk too/);
});

const heads = shared("data/weights/lpips_lin_v01_squeeze.safetensors");
test.skipIf(!heads)("the published heads go with a trunk", async () => {
  const trunk = write(join(folder(), "trunk.safetensors"), part(numbers("squeeze"), false), torchvision);
  using judge = await loadLpips([trunk, heads as string]);
  expect(judge.net).toBe("squeeze");
});
