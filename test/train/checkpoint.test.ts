import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WeightsError } from "../../src/errors.ts";
import { flat } from "../../src/tensor/flat.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { checkpointState, loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import type { Recipe } from "../../src/train/recipe.ts";
import { type Training, training } from "../../src/train/trainer.ts";
import { loadParams } from "../../src/weights/params.ts";
import { formatSafetensors, parseSafetensors } from "../../src/weights/safetensors.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();
const folder = mkdtempSync(join(tmpdir(), "proxel-"));
afterAll(() => rmSync(folder, { recursive: true }));
type Part = "params" | "m" | "v" | "ema";
const numbers = (run: Training, part: Part, name: string) => (run.optimiser[part].tree[name] as Tensor).read();
/** A training that has never run, of parameters of these shapes. */
const begun = (shapes: Record<string, number[]>, more: Partial<Recipe> = {}): Training =>
  training({
    name: "test",
    init() {
      const params = flat(shapes);
      for (const [i, t] of Object.values(params.tree).entries())
        upload(
          t,
          Array.from({ length: t.size }, (_, k) => i + k / 7),
        );
      return params;
    },
    batch: () => Promise.reject(new Error("none")),
    loss: () => tensor([1], [0]),
    ...more,
  });

test("comes back bit for bit, into another optimiser, and the next step is the same", async () => {
  const path = join(folder, "a.safetensors");
  const [one, two] = [begun({ w: [3, 5], b: [7] }), begun({ w: [3, 5], b: [7] })];
  const grads = { w: tensor([3, 5], new Float32Array(15).fill(0.3)), b: tensor([7], new Float32Array(7).fill(-2)) };
  const at = (step: number) => ({ step, lr: 0.01, emaDecay: 0.9 });
  one.optimiser.step(grads, at(0));
  Object.assign(one, { step: 1, seconds: 0.5 });
  await saveCheckpoint(path, one, { note: "kept" });
  expect(await checkpointState(path)).toEqual({ step: 1, seconds: 0.5, note: "kept" });
  await loadCheckpoint(path, two);
  expect([two.step, two.seconds]).toEqual([1, 0.5]);
  for (const o of [one, two]) o.optimiser.step(grads, at(1));
  for (const part of ["params", "m", "v", "ema"] as const)
    for (const name of ["w", "b"]) expect(await numbers(two, part, name)).toEqual(await numbers(one, part, name));
  for (const o of [one, two]) o[Symbol.dispose]();
  dispose(grads);
});

test("one that does not fit says what differs, and one that is none says so", async () => {
  const path = join(folder, "b.safetensors");
  const [saved, other, more] = [begun({ w: [3, 5] }), begun({ w: [5, 3] }), begun({ w: [3, 5], b: [1] })];
  await saveCheckpoint(path, saved);
  await expect(loadCheckpoint(path, other)).rejects.toThrow(/params\/w expects F32 \[5,3\], got F32 \[3,5\]/);
  await expect(loadCheckpoint(path, more)).rejects.toThrow(/no tensor "params\/b"/);
  for (const [metadata, name] of [
    [{}, "none"],
    [{ state: '{"step": 1' }, "short"],
  ] as const) {
    const file = join(folder, `${name}.safetensors`);
    writeFileSync(file, formatSafetensors({}, metadata as Record<string, string>));
    await expect(checkpointState(file)).rejects.toThrow(WeightsError);
    await expect(checkpointState(file)).rejects.toThrow("not a checkpoint of proxel train");
  }
  for (const o of [saved, other, more]) o[Symbol.dispose]();
});

test("a write that fails leaves the checkpoint of before, and nothing beside it", async () => {
  const path = join(folder, "c.safetensors");
  const o = begun({ w: [2] });
  await saveCheckpoint(path, o);
  const before = readFileSync(path);
  const names = readdirSync(folder);
  await expect(saveCheckpoint(join(folder, "none", "c.safetensors"), o)).rejects.toThrow(
    /the folder .* does not exist/,
  );
  // /dev/full is a disk that is full
  await expect(saveCheckpoint("/dev/full", o)).rejects.toThrow(/\/dev\/full/);
  expect(readFileSync(path)).toEqual(before);
  expect(readdirSync(folder)).toEqual(names);
  o[Symbol.dispose]();
});

test("two names of a file that become one are refused", () => {
  const bytes = new Uint8Array(4);
  const file = parseSafetensors(
    formatSafetensors({
      "a.w": { dtype: "F32", shape: [1], bytes },
      "b.w": { dtype: "F32", shape: [1], bytes },
    }),
  );
  expect(() => loadParams("net", { w: [1] }, file, { rename: (name) => name.slice(2) })).toThrow(
    /net: the weights do not fit: 1 renamed to one that is there \(b\.w\)/,
  );
});
