import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { WeightsError } from "../../src/errors.ts";
import { flat } from "../../src/tensor/flat.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { type Tensor, tensor, upload } from "../../src/tensor/tensor.ts";
import { checkpointState, loadCheckpoint, saveCheckpoint } from "../../src/train/checkpoint.ts";
import { adam } from "../../src/train/optimiser.ts";
import { loadParams } from "../../src/weights/params.ts";
import { formatSafetensors, parseSafetensors } from "../../src/weights/safetensors.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();
const folder = mkdtempSync(join(tmpdir(), "proxel-"));
afterAll(() => rmSync(folder, { recursive: true }));
const optimiser = (shapes: Record<string, number[]>) => {
  const params = flat(shapes);
  for (const [i, t] of Object.values(params.tree).entries())
    upload(
      t,
      Array.from({ length: t.size }, (_, k) => i + k / 7),
    );
  return adam(params);
};

test("comes back bit for bit, into another optimiser, and the next step is the same", async () => {
  const path = join(folder, "a.safetensors");
  const [one, two] = [optimiser({ w: [3, 5], b: [7] }), optimiser({ w: [3, 5], b: [7] })];
  const grads = { w: tensor([3, 5], new Float32Array(15).fill(0.3)), b: tensor([7], new Float32Array(7).fill(-2)) };
  const at = (step: number) => ({ step, lr: 0.01, emaDecay: 0.9 });
  one.step(grads, at(0));
  await saveCheckpoint(path, one, { step: 1, note: "kept" });
  expect(await checkpointState(path)).toEqual({ step: 1, note: "kept" });
  await loadCheckpoint(path, two);
  for (const o of [one, two]) o.step(grads, at(1));
  for (const part of ["params", "m", "v", "ema"] as const)
    for (const name of ["w", "b"])
      expect(await (two[part].tree[name] as Tensor).read()).toEqual(await (one[part].tree[name] as Tensor).read());
  one.dispose();
  two.dispose();
  dispose(grads);
});

test("one that does not fit says what differs, and one that is none says so", async () => {
  const path = join(folder, "b.safetensors");
  const [saved, other, more] = [optimiser({ w: [3, 5] }), optimiser({ w: [5, 3] }), optimiser({ w: [3, 5], b: [1] })];
  await saveCheckpoint(path, saved, { step: 1 });
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
  for (const o of [saved, other, more]) o.dispose();
});

test("a write that fails leaves the checkpoint of before, and nothing beside it", async () => {
  const path = join(folder, "c.safetensors");
  const o = optimiser({ w: [2] });
  await saveCheckpoint(path, o, { step: 1 });
  const before = readFileSync(path);
  const names = readdirSync(folder);
  await expect(saveCheckpoint(join(folder, "none", "c.safetensors"), o, { step: 2 })).rejects.toThrow(
    /the folder .* does not exist/,
  );
  // /dev/full is a disk that is full
  await expect(saveCheckpoint("/dev/full", o, { step: 2 })).rejects.toThrow(/\/dev\/full/);
  expect(readFileSync(path)).toEqual(before);
  expect(readdirSync(folder)).toEqual(names);
  o.dispose();
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
