import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { tensor } from "../../src/tensor/tensor.ts";
import { openWeights, type Weights } from "../../src/weights/open.ts";
import { streamParams } from "../../src/weights/params.ts";
import { formatSafetensors } from "../../src/weights/safetensors.ts";
import { saveWeights } from "../../src/weights/save.ts";
import { type StoredType, widen } from "../../src/weights/stored.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();
const folder = mkdtempSync(join(tmpdir(), "proxel-save-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/formats/${name}`, import.meta.url));
const values = async (weights: Weights, name: string) => [...widen(await weights.read(name))];
const stored = (dtype: StoredType, shape: number[], array: ArrayBufferView) => ({
  dtype,
  shape,
  bytes: new Uint8Array(array.buffer),
});

test("converts a checkpoint, tensor by tensor: as it is, in f32, in f16", async () => {
  const from = await openWeights(fixture("zip.pt"));
  const types = { plain: {}, f32: { dtype: "f32" }, f16: { dtype: "f16" } } as const;
  for (const [name, options] of Object.entries(types)) {
    const seen: number[] = [];
    await saveWeights(at(name), from, {
      ...options,
      metadata: { from: "zip" },
      onProgress: (p) => seen.push(p.done / p.total),
    });
    const back = await openWeights(at(name));
    expect([back.names, back.metadata, seen.at(-1)]).toEqual([from.names, { from: "zip" }, 1]);
    for (const key of from.names) {
      const { dtype, shape } = from.info(key);
      const float = /F/.test(dtype);
      const wide = dtype === "BF16" ? "F32" : dtype;
      expect(back.info(key), key).toEqual({ dtype: float && name !== "plain" ? name.toUpperCase() : wide, shape });
      expect(await values(back, key), key).toEqual(await values(from, key)); // multiples of 1/4: f16 holds them
    }
    await back.close();
  }
  expect(readdirSync(folder).sort()).toEqual(["f16", "f32", "plain"]);
  await from.close();
});

test("chooses and renames; a dtype by name; two of one name and what f16 cannot hold are errors", async () => {
  const from = await openWeights(
    formatSafetensors({
      a: stored("F32", [2], Float32Array.of(1, 1e5)),
      b: stored("F64", [1], Float64Array.of(1 / 3)),
      c: stored("F32", [1], Float32Array.of(7)),
    }),
  );
  const rename = (name: string) => (name === "c" ? undefined : `net.${name}`);
  await saveWeights(at("chosen"), from, { rename, dtype: (name) => (name === "a" ? "f32" : "f16") });
  const back = await openWeights(at("chosen"));
  expect([back.names, back.info("net.b").dtype]).toEqual([["net.a", "net.b"], "F16"]);
  expect((await values(back, "net.b"))[0]).toBeCloseTo(1 / 3, 3);
  await back.close();
  await expect(saveWeights(at("x"), from, { rename: () => "one" })).rejects.toThrow(
    /two tensors are to be named "one"/,
  );
  await expect(saveWeights(at("x"), from, { dtype: "f16" })).rejects.toThrow(/a: 100000 is more than f16 can hold/);
  expect(existsSync(at("x"))).toBe(false);
});

test("a write that fails or is aborted leaves what was there, and no crumbs", async () => {
  writeFileSync(at("old"), "old");
  const from = await openWeights(fixture("legacy.pt"));
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  await expect(saveWeights(at("old"), from, { signal: stop.signal, onProgress })).rejects.toThrow(/abort/i);
  expect(readFileSync(at("old"), "utf8")).toBe("old");
  expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  await expect(saveWeights(join(at("nowhere"), "x"), from)).rejects.toThrow(/the folder .* does not exist/);
  await expect(saveWeights(folder, from)).rejects.toThrow(/a file was expected/);
  await from.close();
});

test("parameters to a file and back, bit for bit, and rounded on the way", async () => {
  const numbers = Float32Array.from({ length: 6 }, (_, i) => Math.sin(i));
  const params = { "a.weight": tensor([2, 3], numbers), "a.bias": tensor([3], [0.1, 0.2, 0.3]) };
  await saveWeights(at("params"), params);
  const file = await openWeights(at("params"));
  const shapes = { "a.weight": [2, 3], "a.bias": [3] };
  const seen: number[] = [];
  const back = await streamParams("net", shapes, file, { onProgress: ({ done, total }) => seen.push(done / total) });
  expect(await back["a.weight"]!.read()).toEqual(numbers);
  expect(await back["a.bias"]!.read()).toEqual(Float32Array.of(0.1, 0.2, 0.3));
  expect(seen.at(-1)).toBe(1);
  const half = await streamParams("net", shapes, file, { dtype: "f16" });
  expect([half["a.weight"]!.dtype, half["a.bias"]!.dtype]).toEqual(["f16", "f32"]);
  expect((await half["a.weight"]!.read())[1]).toBeCloseTo(Math.sin(1), 3);
  await expect(streamParams("net", { "a.weight": [3, 2], b: [1] }, file)).rejects.toThrow(
    "net: the weights do not fit: 1 missing (b); 1 unused (a.bias); 1 of another shape (a.weight expects [3,2], got [2,3])",
  );
  const stop = AbortSignal.abort();
  await expect(streamParams("net", shapes, file, { signal: stop })).rejects.toThrow(/abort/i);
  for (const t of [params, back, half].flatMap((tree) => Object.values(tree))) t.dispose();
  await file.close();
});
