/** Files of bad intent: each is refused with its reason, at once, and nothing of it is run. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { WeightsError } from "../../src/errors.ts";
import { openWeights } from "../../src/weights/open.ts";
import type { Source } from "../../src/weights/source.ts";
import { widen } from "../../src/weights/stored.ts";
import { bytes, dict, global, int, pickle, tensor, text, tuple, u32 } from "../lib/pickle.ts";
import { type Lies, zip } from "../lib/zip.ts";

const floats = (...n: number[]): Uint8Array => new Uint8Array(Float32Array.from(n).buffer);
const torch = (object: Uint8Array, data: Record<string, Uint8Array> = { 0: floats(1, 2, 3, 4) }, lies: Lies = {}) =>
  zip(
    [
      { name: "x/data.pkl", data: pickle(object) },
      ...Object.entries(data).map(([key, data]) => ({ name: `x/data/${key}`, data })),
    ],
    lies,
  );
const good = dict(["w", tensor("0", 4, 0, [2, 2], [2, 1])]);
const read = async (file: Uint8Array): Promise<number[]> => {
  const weights = await openWeights(file);
  return [...widen(await weights.read(weights.names[0] as string))];
};

test("what the refused ones are made from is read", async () => {
  expect(await read(torch(good))).toEqual([1, 2, 3, 4]);
  expect(await read(torch(good, undefined, { zip64: true }))).toEqual([1, 2, 3, 4]);
  expect(await read(torch(dict(["w", tensor("0", 4, 1, [2, 2], [0, 2])])))).toEqual([2, 4, 2, 4]);
  expect(await read(torch(dict(["__proto__", tensor("0", 4, 3, [1], [1])])))).toEqual([4]);
});

const call = (module: string, name: string, ...args: Uint8Array[]) => bytes(global(module, name), tuple(...args), "R");
/** ((…), (…)): each list holds the one before it twice. */
const laughs = bytes(")", ...new Array(40).fill(bytes("2", 0x86)));
/** numpy's pickle of four bytes. */
const array = (shape: Uint8Array) =>
  bytes(
    ...[global("numpy.core.multiarray", "_reconstruct"), ")R(K", 1, shape],
    ...[call("numpy", "dtype", text("f4")), "(K", 3, text("<"), "tb", 0x89, "C", 4, "abcd", "tb"],
  );
test.each<[string, Uint8Array, RegExp]>([
  ["os.system", pickle(dict(["a", call("os", "system", text("id"))])), /refused: its pickle names os\.system/],
  ["eval under its old name", pickle(call("__builtin__", "eval", text("1"))), /names builtins\.eval/],
  ["an import by its stack", pickle(text("subprocess"), text("Popen"), bytes(0x93)), /names subprocess\.Popen/],
  ["a name that is none", pickle(bytes("}}", 0x93)), /imports what is no name/],
  ["text opcodes", pickle(bytes("I1\n")), /opcode 0x49/],
  ["an instance of a class", pickle(bytes("(i__main__\nX\n")), /opcode 0x69/],
  ["a class of an extension", pickle(bytes(0x82, 1)), /opcode 0x82/],
  ["a memo never kept", pickle(bytes("h", 7)), /recalls 7/],
  ["an empty stack", pickle(bytes("R")), /stack is empty/],
  ["a lone end of tuple", pickle(bytes("t")), /mark is missing/],
  ["marks without end", pickle(bytes("(".repeat(2000))), /nested too deep/],
  ["a call of what is no name", pickle(bytes("})R")), /calls what is no name/],
  ["a string longer than the file", pickle(bytes("X", u32(0x7fffffff))), /a string of 2147483647/],
  ["bytes longer than the file", pickle(bytes("B", u32(0xfffffff0))), /is it truncated/],
  ["a frame longer than the file", pickle(bytes(0x95, u32(9999), u32(0))), /truncated/],
  ["a number of 4 GB", pickle(bytes(0x8b, u32(0xffffffff))), /an integer of/],
  ["text that is not UTF-8", pickle(bytes(0x8c, 2, 0xff, 0xff)), /not UTF-8/],
  ["a key twice", pickle(dict(["a", int(1)], ["a", int(2)])), /"a" comes twice/],
  ["no end", pickle(dict(["a", int(1)])).subarray(0, -1), /ends at byte|truncated/],
  ["no tensors", pickle(dict(["a", int(1)])), /no tensors in it; it holds "a"/],
  ["a list that holds itself", pickle(bytes("]q", 0, "h", 0, "a")), /expected a state_dict/],
  ["a dictionary that holds itself", pickle(bytes("}q", 0, text("a"), "h", 0, "s")), /no tensors/],
  [
    "a set copied over and over",
    pickle(
      bytes(
        "](",
        "N".repeat(5e4),
        "eq",
        0,
        "0",
        ...new Array(3000).fill(bytes("cbuiltins\nlist\nh", 0, 0x85, "R0")),
        "N",
      ),
    ),
    /unfolds to far more/,
  ],
  ["a key of 2^40 lists, twice", pickle(bytes("}", laughs, "q", 0, "Ns", "h", 0, "Ns")), /"\(list\)" comes twice/],
  ["a key of 2^40 lists", pickle(bytes("}", laughs, "Ns")), /no tensors in it; it holds "\(list\)"/],
  ["an array of 2^40 lists by 3", pickle(dict(["w", array(bytes(laughs, 0x85))])), /an array without its numbers/],
  ["a key nested a million times", pickle(bytes("})", new Uint8Array(2e5).fill(0x85), "Ns")), /no tensors in it/],
  ["a million dictionaries", pickle(bytes("(", "}".repeat(1e6), "t")), /unfolds to far more/],
])("a pickle with %s", async (_, file, why) => {
  const start = performance.now();
  const error = await openWeights(file).catch((e) => e);
  expect(error).toBeInstanceOf(WeightsError);
  expect(error.message).toMatch(why);
  expect(performance.now() - start).toBeLessThan(1000);
});

const storage = bytes("(", text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), int(4), "tQ");
const strided = (stride: Uint8Array) =>
  call("torch._utils", "_rebuild_tensor_v2", storage, int(0), tuple(int(1)), tuple(stride));
test.each<[string, Uint8Array, RegExp]>([
  [
    "a view beyond its storage",
    torch(dict(["w", tensor("0", 4, 1, [2, 2], [2, 1])])),
    /w: F32 \[2,2\] ends at byte 20, its storage has 16/,
  ],
  ["a stride of 2^40 lists", torch(dict(["w", strided(laughs)])), /strides are none/],
  ["strides beyond it", torch(dict(["w", tensor("0", 4, 0, [2, 2], [9, 1])])), /ends at byte/],
  ["a negative stride", torch(dict(["w", tensor("0", 4, 3, [4], [-1])])), /not a view/],
  ["a negative size", torch(dict(["w", tensor("0", 4, 0, [-1], [1])])), /no shape/],
  ["a negative offset", torch(dict(["w", tensor("0", 4, -1, [1], [1])])), /not a view/],
  ["a storage larger than its entry", torch(dict(["w", tensor("0", 5, 0, [2], [1])])), /claims 5 Float/],
  [
    "a storage that is not there",
    torch(dict(["w", tensor("../1", 4, 0, [2], [1])])),
    /storage \.\.\/1 is not in the archive/,
  ],
  ["4 GB from one number", torch(dict(["w", tensor("0", 4, 0, [1 << 15, 1 << 15], [0, 0])])), /unfold/],
  ["2^60 numbers of none", torch(dict(["w", tensor("0", 4, 0, [1 << 30, 1 << 30], [0, 0])])), /no shape/],
  [
    "complex numbers",
    torch(dict(["w", tensor("0", 2, 0, [2], [1], "ComplexFloat")])),
    /ComplexFloat numbers are not supported/,
  ],
  [
    "a big-endian machine",
    zip([
      { name: "x/data.pkl", data: pickle(good) },
      { name: "x/data/0", data: floats(1, 2, 3, 4) },
      { name: "x/byteorder", data: bytes("big") },
    ]),
    /byte order "big"/,
  ],
  [
    "a TorchScript program",
    zip([
      { name: "x/data.pkl", data: pickle(good) },
      { name: "x/constants.pkl", data: pickle(good) },
    ]),
    /TorchScript/,
  ],
  [
    "an entry twice",
    torch(good, { 0: floats(1), 1: floats(2) }, { fields: [[2, 50, 4, 0x302f6174]] }),
    /x\/data\/0 comes twice/,
  ],
  ["overlapping entries", torch(good, undefined, { fields: [[1, 42, 4, 10]] }), /overlap/],
  [
    "an entry behind the directory",
    torch(good, undefined, { fields: [[1, 42, 4, 400]] }),
    /in or behind the directory/,
  ],
  [
    "an entry larger than the file",
    torch(good, undefined, {
      fields: [
        [1, 20, 4, 1 << 30],
        [1, 24, 4, 1 << 30],
      ],
    }),
    /in or behind/,
  ],
  ["an encrypted entry", torch(good, undefined, { fields: [[1, 8, 2, 1]] }), /encrypted/],
  ["a method nobody knows", torch(good, undefined, { fields: [[1, 10, 2, 12]] }), /method 12/],
  ["a packed storage", torch(good, undefined, { fields: [[1, 10, 2, 8]] }), /packed/],
  [
    "a bomb",
    torch(good, undefined, {
      fields: [
        [1, 10, 2, 8],
        [1, 24, 4, 1 << 30],
      ],
    }),
    /claims 1073741824 bytes/,
  ],
  ["a directory cut off", torch(good).subarray(0, -30), /no directory; is it truncated/],
])("a torch archive with %s", async (_, file, why) => {
  const error = await openWeights(file).catch((e) => e);
  expect(error).toBeInstanceOf(WeightsError);
  expect(error.message).toMatch(why);
});

test("a list of lists that tells of a billion is told of in part", async () => {
  const tenfold = (i: number) => bytes("](", ...new Array<Uint8Array>(10).fill(bytes("h", i)), "eq", i + 1, "0");
  const laughs = bytes("]q", 0, "0", ...Array.from({ length: 9 }, (_, i) => tenfold(i)), "h", 9);
  const weights = await openWeights(torch(dict(["state_dict", good], ["more", laughs])));
  expect(JSON.stringify(weights.about).length).toBeLessThan(2e5);
});

test("what is in a file many times over is told and read within bounds", async () => {
  const many = (n: number, id: number) =>
    bytes("(", ...Array.from({ length: n }, (_, i) => bytes(int(i), "h", id)), "u");
  const w = array(tuple(int(1)));
  const lists = dict(["w", w], ["l", bytes("](", new Uint8Array(9000).fill(0x4e), "eq", 9)]);
  const told = await openWeights(pickle(lists, many(3000, 9)));
  expect(JSON.stringify(told.about).length).toBeLessThan(2e5);
  const tensors = bytes("}", many(3000, 8), "q", 9);
  await expect(
    openWeights(pickle(dict(["a", dict(["w", bytes(w, "q", 8)])], ["b", tensors]), many(3000, 9))),
  ).rejects.toThrow(/parts have more than 100000 entries/);
});

test("unknown classes are kept apart, until a tensor would be made by one", async () => {
  const made = call("torch._utils", "_rebuild_sparse_tensor", int(1));
  await expect(
    openWeights(torch(dict(["state_dict", dict(["w", tensor("0", 4, 0, [4], [1])], ["s", made])]))),
  ).rejects.toThrow(/s is made by torch\._utils\._rebuild_sparse_tensor, which is not read/);
  const fine = await openWeights(torch(dict(["state_dict", good], ["other", call("my.code", "Thing", text("x"))])));
  expect(fine.about).toEqual({ other: "x" });
});

const safetensors = (header: string, data = floats(1, 2)): Uint8Array =>
  bytes(u32(new TextEncoder().encode(header).length), u32(0), header, data);
test.each<[string, Uint8Array, RegExp]>([
  [
    "a key twice",
    safetensors(
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    ),
    /comes twice/,
  ],
  [
    "a field twice",
    safetensors('{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}'),
    /"shape" comes twice/,
  ],
  ["deep nesting", safetensors(`{"a":${"[".repeat(1e5)}`), /nested deeper/],
  [
    "overlap",
    safetensors(
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    ),
    /overlap/,
  ],
  ["a hole", safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'), /bytes 0 to 4 belong to no tensor/],
  ["data of nobody", safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), /last 4 bytes/],
  [
    "a huge shape",
    safetensors('{"a":{"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,8]}}'),
    /no shape/,
  ],
  ["40 axes", safetensors(`{"a":{"dtype":"F32","shape":[${new Array(40).fill(1)}],"data_offsets":[0,8]}}`), /no shape/],
  ["a header of 2^63 bytes", bytes(u32(0), u32(1 << 31), "{}"), /claims 9223372036854/],
])("a safetensors file with %s", async (_, file, why) => {
  await expect(openWeights(file)).rejects.toThrow(why);
});

test("an index whose metadata is no text", async () => {
  const index = { metadata: { a: { toString: 1 } }, weight_map: { a: "../a.safetensors" } };
  const data = new TextEncoder().encode(JSON.stringify(index));
  const read: Source["read"] = async (at, n) => data.subarray(at, at + n);
  const sibling = async () => await Promise.reject(new Error("asked"));
  await expect(openWeights({ name: "i.json", size: data.length, read, sibling })).rejects.toThrow(/no name of a shard/);
});

test("an index that points elsewhere", async () => {
  const index = (file: string): Source => {
    const data = new TextEncoder().encode(JSON.stringify({ weight_map: { a: file } }));
    return {
      name: "i.json",
      size: data.length,
      read: async (at, n) => data.subarray(at, at + n),
      sibling: async () => {
        throw new Error("asked");
      },
    };
  };
  for (const file of [
    "../a.safetensors",
    "/etc/a.safetensors",
    "http://x/a.safetensors",
    "a.pt",
    "..\\a.safetensors",
    ".safetensors",
  ])
    await expect(openWeights(index(file)), file).rejects.toThrow(/is no name of a shard/);
});

test("nested files end at depth two", async () => {
  const fixture = readFileSync(new URL("../fixtures/formats/edm_protocol3.pkl", import.meta.url));
  const load = (inner: Uint8Array) =>
    bytes("ctorch.storage\n_load_from_bytes\n", "B", u32(inner.length), inner, 0x85, "R");
  const magic = pickle(bytes(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19));
  const legacy = (object: Uint8Array) =>
    bytes(magic, pickle(int(1001)), pickle(bytes("}")), pickle(object), pickle(bytes("]")));
  await expect(openWeights(pickle(load(legacy(load(legacy(bytes("N")))))))).rejects.toThrow(/file within a file/);
  const full = load(legacy(bytes("](", "}".repeat(1e5), "e")));
  await expect(openWeights(pickle(bytes("](", full, full, full, "e")))).rejects.toThrow(/unfolds to far more/);
  await expect(openWeights(fixture.subarray(0, 2000))).rejects.toThrow(WeightsError);
});

test("big-endian legacy files", async () => {
  const magic = pickle(bytes(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19));
  const file = bytes(
    magic,
    pickle(int(1001)),
    pickle(dict(["little_endian", bytes(0x89)])),
    pickle(good),
    pickle(bytes("]")),
  );
  await expect(openWeights(file)).rejects.toThrow(/big-endian/);
});

/** A file that is mostly a hole: pieces at their places, zeros between. */
function sparse(size: number, pieces: [number, Uint8Array][]): Source & { asked: number } {
  return {
    name: "sparse",
    size,
    asked: 0,
    async read(at, length) {
      this.asked += length;
      const out = new Uint8Array(length);
      for (const [from, piece] of pieces)
        for (let i = Math.max(at, from); i < Math.min(at + length, from + piece.length); i++)
          out[i - at] = piece[i - from] as number;
      return out;
    },
  };
}

test("files over 4 GB: safetensors and Zip64, by a few kilobytes of them", async () => {
  const n = 1.5e9;
  const header = JSON.stringify({
    big: { dtype: "F32", shape: [n], data_offsets: [0, 4 * n] },
    last: { dtype: "F32", shape: [2], data_offsets: [4 * n, 4 * n + 8] },
  });
  const head = safetensors(header, new Uint8Array(0));
  const file = sparse(head.length + 4 * n + 8, [
    [0, head],
    [head.length + 4 * n, floats(5, 6)],
  ]);
  const weights = await openWeights(file);
  expect([...widen(await weights.read("last"))]).toEqual([5, 6]);
  expect(file.asked).toBeLessThan(1e5);

  // a hole before the storage's entry: what stands behind it moves
  const hole = 5e9;
  const small = torch(dict(["w", tensor("0", 4, 2, [2], [1])]), undefined, { zip64: true });
  const [first, second] = ["x/data.pkl", "x/data/0"].map((name) => 46 + name.length + 28) as [number, number];
  const end = small.length - 22 - 20 - 56;
  const start = end - first - second;
  const local = start - (30 + "x/data/0".length + 16);
  const tail = small.slice(local);
  const view = new DataView(tail.buffer);
  for (const at of [start + first + second - 8, end + 48, end + 56 + 8])
    view.setBigUint64(at - local, view.getBigUint64(at - local, true) + BigInt(hole), true);
  const zipped = sparse(small.length + hole, [
    [0, small.slice(0, local)],
    [local + hole, tail],
  ]);
  const archive = await openWeights(zipped);
  expect([...widen(await archive.read("w"))]).toEqual([3, 4]);
  expect(zipped.asked).toBeLessThan(1e6);
});
