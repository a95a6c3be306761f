import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  EVAL_TASKS,
  type EvalTask,
  evalTask,
  type Measured,
  measure,
  picturedMeasurement,
  turned,
} from "../src/eval_tasks.ts";
import { loadBlur } from "../src/eval_weights.ts";
import { deadLeavesPicture } from "../src/io/dead_leaves.ts";
import type { Picture } from "../src/io/picture.ts";
import { psnr } from "../src/metrics/psnr.ts";
import { residual } from "../src/metrics/residual.ts";
import { kernelWizard } from "../src/nets/kernel_wizard.ts";
import { dispose } from "../src/tensor/scope.ts";
import { tensor } from "../src/tensor/tensor.ts";
import { formatSafetensors } from "../src/weights/safetensors.ts";
import { folder } from "./lib/command.ts";
import { evaluate, withGpu } from "./lib/gpu.ts";
import { seededParameter } from "./lib/seeded.ts";

withGpu();

const picture = (width: number, height: number): Picture => ({
  ...{ width, height, channels: 3, bits: 8 },
  data: deadLeavesPicture(3, 1, width, height).map((v) => 2 * v - 1),
});
const sigmaNoise = 0.05;
const named = (name: string) => evalTask(name) as EvalTask;
const taken = (name: string, p: Picture, more = {}) =>
  measure(p, named(name), { sigmaNoise, seed: 0, name: "a.png", ...more });
const freed = ({ A, y }: Measured) => dispose([A.holds, y]);

describe.each(["denoise", "gaussian", "motion", "box", "random", "sr4", "hdr", "jpeg10", "phase"])("%s", (name) => {
  test("its measurement is of the truth, with noise of the level told, on what is known", async () => {
    const m = await taken(name, picture(42, 35));
    const { width, height, data } = m.truth;
    expect([width, height]).toEqual(name === "sr4" ? [40, 32] : [42, 35]);
    const { clean, y } = await evaluate(() => ({ clean: m.A.apply(tensor([1, height, width, 3], data)), y: [m.y] }));
    const differences = (y[0] as Float32Array).map((v, i) => v - (clean[i] as number));
    const { chi2 } = residual(differences, sigmaNoise, { count: m.known });
    expect(Math.abs(chi2 - 1)).toBeLessThan(4 * Math.sqrt(2 / m.known));
    dispose(m.A.holds);
  });
  test("pictures of it fit beside the truth", async () => {
    const m = await taken(name, picture(32, 48));
    const shown = await picturedMeasurement(m, named(name));
    if (name !== "phase") expect([shown.width, shown.height]).toEqual([32, 48]);
    expect(shown.data.every((v) => Number.isFinite(v))).toBe(true);
    expect(named(name).about(48).length).toBeGreaterThan(10);
    freed(m);
  });
});

test("picture, task and seed decide a measurement, and nothing else", async () => {
  const p = picture(32, 32);
  const read = async (name: string, more = {}) => {
    const m = await taken(name, p, more);
    const numbers = [...(await m.y.read())];
    freed(m);
    return numbers;
  };
  const first = await read("motion");
  await read("box");
  expect(await read("motion")).toEqual(first);
  expect(await read("motion", { name: "b.png" })).not.toEqual(first);
  expect(await read("motion", { seed: 1 })).not.toEqual(first);
});

test("the box hides a quarter, random 70 % of the pixels", async () => {
  for (const [name, part] of [
    ["box", 3 / 4],
    ["random", 0.3],
  ] as const) {
    const m = await taken(name, picture(40, 40));
    expect(m.known / 4800).toBeCloseTo(part, 3);
    freed(m);
  }
});

test("a turn by 180 degrees is open in phase retrieval only to the measurement", async () => {
  const p = picture(24, 20);
  expect(turned(turned(p)).data).toEqual(p.data);
  expect(psnr(turned(p).data, p.data)).toBeLessThan(40);
  const A = named("phase").operator([20, 24, 3], undefined as never);
  const { a, b } = await evaluate(() => ({
    a: A.apply(tensor([1, 20, 24, 3], p.data)),
    b: A.apply(tensor([1, 20, 24, 3], turned(p).data)),
  }));
  expect(psnr(a, b)).toBeGreaterThan(100);
  dispose(A.holds);
});

test("names: aliases, factors and qualities; others are none", () => {
  expect(["deblur", "inpaint", "sr", "jpeg"].map((name) => evalTask(name)?.name)).toEqual([
    "gaussian",
    "box",
    "sr4",
    "jpeg10",
  ]);
  expect(evalTask("sr16")?.multiple).toBe(16);
  for (const name of ["sr1", "sr17", "jpeg0", "jpeg101", "toString", "", "mri"]) expect(evalTask(name)).toBe(undefined);
  expect(EVAL_TASKS).toContain("random");
});

test("nonlinear: a network from its file blurs pictures smaller than it takes, and is asked for", async () => {
  expect(evalTask("nonlinear")).toBeUndefined();
  const net = kernelWizard({ width: 2, front: 1, back: 2, last: 3 });
  const file = join(folder(), "blur.safetensors");
  const numbers = Object.entries(net.parameters).map(([name, { shape }]) => {
    const data = seededParameter(name, shape);
    return [name, { dtype: "F32" as const, shape, bytes: new Uint8Array(data.buffer) }] as const;
  });
  // the published file has more, which reads kernels from pairs of pictures
  const more = { dtype: "F32" as const, shape: [1], bytes: new Uint8Array(4) };
  writeFileSync(file, formatSafetensors({ ...Object.fromEntries(numbers), "kernel_extractor.0.bias": more }));
  using blur = await loadBlur(file);
  expect(blur.channels).toBe(16);
  const task = evalTask("nonlinear", () => blur) as EvalTask;
  const m = await measure(picture(42, 35), task, { sigmaNoise, seed: 0, name: "a.png" });
  const [y] = await evaluate(() => [m.A.apply(tensor([1, 35, 42, 3], m.truth.data))]);
  const change = (y as Float32Array).reduce((sum, v, i) => sum + Math.abs(v - (m.truth.data[i] as number)), 0);
  expect(change / (35 * 42 * 3)).toBeGreaterThan(1e-3);
  freed(m);
  const bad = join(folder(), "bad.safetensors");
  writeFileSync(bad, formatSafetensors({ a: more }));
  await expect(loadBlur(bad)).rejects.toThrow(/expected the blur of Tran et al/);
});
