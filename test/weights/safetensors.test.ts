import { expect, test } from "vitest";
import { openWeights } from "../../src/weights/open.ts";
import { formatSafetensors, parseSafetensors, widen } from "../../src/weights/safetensors.ts";

const bytes = (...numbers: number[]): Uint8Array<ArrayBuffer> => new Uint8Array(new Float32Array(numbers).buffer);
const file = (header: unknown, data: Uint8Array = new Uint8Array(0), length?: number) => {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out;
};

test("reads back what it writes, bit for bit, with names and metadata", () => {
  const written = formatSafetensors(
    {
      "a.weight": { dtype: "F32", shape: [2, 1], bytes: bytes(1.5, -2) },
      e: { dtype: "F32", shape: [0], bytes: bytes() },
    },
    { kind: "test" },
  );
  const read = parseSafetensors(written);
  expect(read.names).toEqual(["a.weight", "e"]);
  expect(read.metadata).toEqual({ kind: "test" });
  expect(read.entry("a.weight").shape).toEqual([2, 1]);
  expect([...widen(read.entry("a.weight"))]).toEqual([1.5, -2]);
});

test("widens every dtype", () => {
  const wide = (dtype: never, raw: ArrayBufferLike, n: number) => [
    ...widen(
      parseSafetensors(
        file({ t: { dtype, shape: [n], data_offsets: [0, raw.byteLength] } }, new Uint8Array(raw)),
      ).entry("t"),
    ),
  ];
  expect(wide("F16" as never, new Uint16Array([0x3c00, 0xc000]).buffer, 2)).toEqual([1, -2]);
  expect(wide("BF16" as never, new Uint16Array([0x3f80, 0xc040]).buffer, 2)).toEqual([1, -3]);
  expect(wide("I64" as never, new BigInt64Array([-5n, 7n]).buffer, 2)).toEqual([-5, 7]);
  expect(wide("F64" as never, new Float64Array([0.1]).buffer, 1)).toEqual([0.1]);
  expect(wide("BOOL" as never, new Uint8Array([1, 0]).buffer, 2)).toEqual([1, 0]);
});

const one = (more: object) => file({ t: { dtype: "F32", shape: [1], data_offsets: [0, 4], ...more } }, bytes(1));
test.each([
  ["empty", new Uint8Array(3), "3 bytes"],
  ["a header longer than the file", file("{}", undefined, 999), "claims 999 bytes"],
  ["no JSON", file("{nope"), "not JSON"],
  ["an array for a header", file("[1]"), "not an object"],
  ["an unknown dtype", one({ dtype: "Q4" }), "dtype Q4"],
  ["a name from Object.prototype for a dtype", one({ dtype: "constructor" }), "dtype constructor"],
  ["a negative shape", one({ shape: [-1] }), "no shape"],
  ["offsets that do not match the shape", one({ shape: [2] }), "takes 8 bytes"],
  ["offsets beyond the file", one({ data_offsets: [4, 8] }), "of 4"],
  [
    "overlap",
    file(
      { a: { dtype: "U8", shape: [3], data_offsets: [0, 3] }, b: { dtype: "U8", shape: [2], data_offsets: [2, 4] } },
      bytes(1),
    ),
    "overlap",
  ],
])("refuses %s", (_, data, why) => {
  expect(() => parseSafetensors(data, "x.safetensors")).toThrow(why);
});

test.each([
  ["null for a tensor", file({ t: null })],
  ["a number for a tensor", file({ t: 3 })],
  ["null for the metadata", file({ __metadata__: null })],
])("refuses %s by name, as not a safetensors file", (_, data) => {
  expect(() => parseSafetensors(data, "x.safetensors")).toThrow(
    /^x\.safetensors: not a safetensors file: "(t|__metadata__)" is/,
  );
});

test("a name of Object.prototype is a name like any other", () => {
  const tensors = JSON.parse('{"__proto__": 1, "constructor": 2}') as Record<string, never>;
  for (const name of Object.keys(tensors))
    Object.defineProperty(tensors, name, { value: { dtype: "F32", shape: [1], bytes: bytes(4) } });
  const read = parseSafetensors(formatSafetensors(tensors, JSON.parse('{"__proto__": "x"}')));
  expect(read.names).toEqual(["__proto__", "constructor"]);
  expect(Object.getPrototypeOf(read.metadata)).toBe(Object.prototype);
  expect(({} as { dtype?: string }).dtype).toBeUndefined();
});

test("is known by its brace, whatever the length of its header looks like", async () => {
  // 0x80 0x02 begins a pickle
  for (const length of [0x80, 0x280, 0x480]) {
    const text = JSON.stringify({ t: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }).padEnd(length);
    expect((await openWeights(file(text, bytes(3)))).names).toEqual(["t"]);
  }
});
