import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";

test("a file laid out by numpy: every dtype, a scalar, an empty tensor, names in any order, a padded header", () => {
  const file = parseSafetensors(readFileSync(new URL("../fixtures/dtypes.safetensors", import.meta.url)));
  const of = (name: string) => [...widen(file.entry(name))];
  for (const dtype of ["F32", "F16", "BF16", "I64", "I32", "I16", "I8"]) {
    expect(file.entry(dtype)).toMatchObject({ dtype, shape: [2, 2] });
    expect(of(dtype), dtype).toEqual([0, 1, -2, 100]);
  }
  expect(of("F64")).toEqual([0, 1 / 3, -2 / 3, 100 / 3]);
  expect(of("U8")).toEqual([0, 1, 2, 100]);
  expect(of("BOOL")).toEqual([0, 1, 0, 1]);
  expect([file.entry("scalar").shape, of("scalar")]).toEqual([[], [2.5]]);
  expect([file.entry("empty").shape, of("empty")]).toEqual([[0, 3], []]);
  expect([file.entry("größe.weight").shape, of("größe.weight")]).toEqual([
    [1, 2, 3],
    [0, 1, 2, 3, 4, 5],
  ]);
  expect(file.names).toHaveLength(13);
  expect(file.metadata).toEqual({ format: "np", note: "made by test/fixtures/files.py" });
});
