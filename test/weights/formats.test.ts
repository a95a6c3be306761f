/** Files of torch, numpy and struct (test/fixtures/formats.py says how they were made), read by every way in. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { type OpenWeightsOptions, openWeights, type Weights } from "../../src/weights/open.ts";
import { formatSafetensors } from "../../src/weights/safetensors.ts";
import type { Readable } from "../../src/weights/source.ts";
import { widen } from "../../src/weights/stored.ts";

const path = (name: string): string => fileURLToPath(new URL(`../fixtures/formats/${name}`, import.meta.url));
type Expected = Record<string, [dtype: string, shape: number[], values: number[]]>;
const expected = JSON.parse(readFileSync(path("expected.json"), "utf8")) as Record<string, Expected>;

const open: Weights[] = [];
afterEach(async () => {
  for (const weights of open.splice(0)) await weights.close();
});
async function opened(from: Readable, options?: OpenWeightsOptions): Promise<Weights> {
  open.push(await openWeights(from, options));
  return open.at(-1) as Weights;
}
async function matches(weights: Weights, name: string): Promise<void> {
  const want = expected[name] as Expected;
  expect([...weights.names].sort()).toEqual(Object.keys(want).sort());
  for (const [key, [dtype, shape, values]] of Object.entries(want)) {
    expect(weights.info(key), key).toEqual({ dtype, shape });
    const got = await weights.read(key);
    expect([got.dtype, got.shape, [...widen(got)]], key).toEqual([dtype, shape, values]);
  }
}

test.each([
  ["zip.pt", "state", "torch-zip", ""],
  ["zip_protocol4.pt", "state", "torch-zip", ""],
  ["legacy.pt", "state", "torch-legacy", ""],
  ["score_sde.pth", "score_sde.ema", "torch-zip", "ema.shadow_params"],
  ["mupet.pth", "mupet", "torch-legacy", "ema.shadow_params"],
  ["lightning.ckpt", "lightning", "torch-zip", "state_dict"],
  ["module.pt", "module", "torch-zip", ""],
  ["edm_protocol2.pkl", "edm", "edm-pickle", "ema"],
  ["edm_protocol3.pkl", "edm", "edm-pickle", "ema"],
  ["edm_protocol4.pkl", "edm", "edm-pickle", "ema"],
  ["arrays.npz", "arrays", "npz", ""],
  ["packed.npz", "arrays", "npz", ""],
  ["model.safetensors.index.json", "shards", "safetensors", ""],
])("%s: every tensor, by its path", async (file, name, format, part) => {
  const weights = await opened(path(file));
  expect([weights.format, weights.part]).toEqual([format, part]);
  await matches(weights, name);
});

test("names keep the order of the state_dict", async () => {
  expect((await opened(path("zip.pt"))).names).toEqual(Object.keys(expected.state as Expected));
  expect((await opened(path("edm_protocol4.pkl"))).names).toEqual(Object.keys(expected.edm as Expected));
});

test("ema: false gives the trained weights, where there are any", async () => {
  const weights = await opened(path("score_sde.pth"), { ema: false });
  await matches(weights, "score_sde.model");
  expect(weights.part).toBe("model");
  expect((await opened(path("edm_protocol4.pkl"), { ema: false })).part).toBe("ema");
});

test("tells what a checkpoint says beside its tensors", async () => {
  expect((await opened(path("lightning.ckpt"))).about).toEqual({
    epoch: 7,
    "pytorch-lightning_version": "1.9.0",
    hyper_parameters: { lr: 1e-3, widths: [32, 64] },
    device: "cpu",
    dtype: "torch.float16",
  });
  expect((await opened(path("score_sde.pth"))).about).toEqual({
    step: 12,
    ema: { decay: 0.999, num_updates: 12, shadow_params: [] },
  });
  const edm = await opened(path("edm_protocol2.pkl"));
  expect(edm.about).toMatchObject({
    class_name: "EDMPrecond",
    init_args: [8],
    init_kwargs: { model_type: "SongUNet", use_fp16: false },
    state: { training: false, img_resolution: 8, sigma_data: 0.5, sigma_max: Number.POSITIVE_INFINITY },
    modules: {
      model: {
        class_name: "SongUNet",
        init_kwargs: { img_resolution: 8, channel_mult: [1, 2] },
        state: { skip_scale: Math.SQRT1_2 },
      },
    },
    dataset_kwargs: { class_name: "ImageFolderDataset", xflip: true },
  });
  expect((await opened(path("arrays.npz"))).about).toEqual({ note: "numpy <U4" });
});

test("one array alone, and big-endian ones", async () => {
  const npy = await opened(path("half.npy"));
  expect([npy.format, npy.info("array"), [...widen(await npy.read("array"))]]).toEqual([
    "npy",
    { dtype: "F16", shape: [5] },
    expected.arrays?.half?.[2],
  ]);
  await expect(openWeights(path("big_endian.npz"))).rejects.toThrow(/big_endian\.npz.*big-endian.*astype/);
});

test.each(["zip.pt", "legacy.pt", "edm_protocol4.pkl", "packed.npz"])("%s from bytes and from a Blob", async (file) => {
  const bytes = new Uint8Array(readFileSync(path(file)));
  const name = { "zip.pt": "state", "legacy.pt": "state", "packed.npz": "arrays" }[file] ?? "edm";
  await matches(await opened(bytes), name);
  await matches(await opened(new Blob([bytes])), name);
});

test("progress counts to the end; an abort ends what comes next", async () => {
  const seen: number[] = [];
  const stop = new AbortController();
  const weights = await opened(path("zip.pt"), {
    signal: stop.signal,
    onProgress: ({ done, total }) => seen.push(done / total),
  });
  for (const name of weights.names) await weights.read(name);
  expect(seen.at(-1)).toBe(1);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));
  stop.abort();
  await expect(weights.read("a")).rejects.toThrow(/abort/i);
  await expect(openWeights(path("zip.pt"), { signal: stop.signal })).rejects.toThrow(/abort/i);
});

/** Serves the fixtures; `answer` may do it otherwise. Returns the address and what ranges were asked for. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse, bytes: Buffer) => boolean) {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const bytes = readFileSync(path((request.url as string).slice(1)));
    asked.push(request.headers.range);
    if (answer(request, response, bytes)) return;
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    if (from === undefined) return response.end(bytes);
    const part = bytes.subarray(Number(from), Number(to) + 1);
    response.statusCode = 206;
    response.setHeader("content-range", `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`);
    response.end(part);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  servers.push(server);
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

test("from an address, by ranges; shards from the addresses beside it", async () => {
  const { base, asked } = await serve(() => false);
  await matches(await opened(`${base}/legacy.pt`), "state");
  await matches(await opened(`${base}/model.safetensors.index.json`), "shards");
  expect(asked.every(Boolean)).toBe(true);
});

test("from a server that knows no ranges, whole; with progress", async () => {
  const { base } = await serve((_, response, bytes) => {
    response.end(bytes);
    return true;
  });
  const seen: number[] = [];
  await matches(await opened(`${base}/zip.pt`, { onProgress: ({ done }) => seen.push(done) }), "state");
  expect(seen.length).toBeGreaterThan(0);
});

test("a long file by its ranges; a file that changes between two of them; a refusal", async () => {
  const numbers = Float32Array.from({ length: 1e6 }, (_, i) => i);
  const shape = [4, 250_000];
  const tensor = { dtype: "F32" as const, shape, bytes: new Uint8Array(numbers.buffer) };
  const long = formatSafetensors({ a: tensor, b: { ...tensor, shape: [1], bytes: tensor.bytes.subarray(4, 8) } });
  let tag = "1";
  const { base, asked } = await serve((request, response) => {
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
    const part = long.subarray(Number(from), Number(to) + 1);
    response.statusCode = tag === "3" ? 403 : 206;
    response.setHeader("etag", tag);
    response.setHeader("content-range", `bytes ${from}-${Number(from) + part.length - 1}/${long.length}`);
    response.end(part);
    return true;
  });
  const weights = await opened(`${base}/zip.pt`);
  expect(asked).toHaveLength(1);
  expect(widen(await weights.read("b"))[0]).toBe(1);
  expect(Buffer.compare((await weights.read("a")).bytes, tensor.bytes)).toBe(0);
  expect(asked).toHaveLength(3);
  tag = "2";
  await expect(weights.read("a")).rejects.toThrow(/did the file change/);
  tag = "3";
  await expect(openWeights(`${base}/zip.pt`)).rejects.toThrow(/zip\.pt: expected the file, got HTTP 403/);
});

test("says what a file is that it cannot read", async () => {
  const tar = new Uint8Array(600);
  tar.set(new TextEncoder().encode("ustar"), 257);
  const of = (text: string) => new TextEncoder().encode(text);
  for (const [bytes, why] of [
    [new Uint8Array(0), /is empty/],
    [tar, /tar archive/],
    [new Uint8Array([0x1f, 0x8b, 8]), /gzip/],
    [of("<!DOCTYPE html><html>"), /web page/],
    [of("hello, this is a text"), /none of them/],
    [of('{"weight_map": {"a": "x.safetensors"}}'), /files beside it/],
    [of('{"a": 1}'), /weight_map/],
  ] as [Uint8Array, RegExp][])
    await expect(openWeights(bytes)).rejects.toThrow(why);
  await expect(openWeights(path("nothing.pt"))).rejects.toThrow(/nothing\.pt: no such file/);
  await expect(openWeights(path("."))).rejects.toThrow(/a file was expected/);
});
