/** Sizes and names of the denoisers and of the networks that measure pictures. No GPU: a network owns no numbers. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { alexnet } from "../../src/nets/alexnet.ts";
import { dncnn } from "../../src/nets/dncnn.ts";
import { drunet } from "../../src/nets/drunet.ts";
import { inception } from "../../src/nets/inception.ts";
import { countParameters, type Specs } from "../../src/nets/net.ts";
import { squeezenet } from "../../src/nets/squeezenet.ts";
import type { Trunk } from "../../src/nets/trunk.ts";
import { vgg16 } from "../../src/nets/vgg.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { shared } from "../lib/golden.ts";

interface Row {
  net: { readonly parameters: Readonly<Specs>; readonly buffers?: Readonly<Record<string, Shape>> };
  parameters: number;
  tensors?: number;
  keys?: string;
}
const sum = (ns: readonly number[]) => ns.reduce((a, b) => a + b, 0);
const line = (name: string, shape: Shape) => `${name} [${shape}]`;

/** Names and shapes of a checkpoint, where the list is at hand. */
function official(keys: string): string[] | undefined {
  const path = shared(`spec/keys/${keys}.json`);
  if (!path) {
    console.log(`skipped: no reference list spec/keys/${keys}.json; set PROXEL_SHARED to a folder that has it`);
    return undefined;
  }
  const list: Record<string, [number[], string]> = JSON.parse(readFileSync(path, "utf8"));
  return Object.entries(list).map(([name, [shape]]) => line(name, shape));
}

const DENOISERS: Record<string, Row> = {
  "DRUNet colour": { net: drunet(), parameters: 32_640_960, tensors: 64, keys: "drunet_color" },
  "DRUNet grey": { net: drunet({ inChannels: 2 }), parameters: 32_638_656, tensors: 64, keys: "drunet_gray" },
  "DnCNN 17 grey": { net: dncnn(), parameters: 555_137, tensors: 34, keys: "dncnn_17_R" },
  "DnCNN 20 grey": { net: dncnn({ layers: 20 }), parameters: 665_921, tensors: 40 },
  "DnCNN 20 colour": { net: dncnn({ layers: 20, channels: 3 }), parameters: 668_227, tensors: 40 },
  "DnCNN 20 colour, deepinv": {
    net: dncnn({ layers: 20, channels: 3, form: "deepinv" }),
    parameters: 668_227,
    tensors: 40,
  },
};
test.each(Object.keys(DENOISERS))("%s", (name) => {
  const { net, parameters, tensors, keys } = DENOISERS[name] as Row;
  const held = Object.entries(net.parameters).map(([key, { shape }]) => line(key, shape));
  expect(countParameters(net)).toBe(parameters);
  expect(held).toHaveLength(tensors as number);
  const list = keys && official(keys);
  if (list) expect(held).toEqual(list);
  console.log(`${name}: ${parameters.toLocaleString("en")} parameters, ${held.length} tensors`);
});

const TRUNKS: Record<string, { net: Trunk; parameters: number; heads: number; keys?: string; slices: number[] }> = {
  "VGG-16": { net: vgg16(), parameters: 14_714_688, heads: 1_472, keys: "lpips_vgg", slices: [2, 2, 3, 3, 3] },
  AlexNet: { net: alexnet(), parameters: 2_469_696, heads: 1_152, keys: "lpips_alex", slices: [1, 1, 1, 1, 1] },
  // torchvision's 1,235,496 less its classifier of 1000 classes
  "SqueezeNet 1.1": { net: squeezenet(), parameters: 1_235_496 - 513_000, heads: 2_240, slices: [1, 6, 6, 3, 3, 3, 3] },
};
test.each(Object.keys(TRUNKS))("%s and the heads of LPIPS", (name) => {
  const { net, parameters, heads, keys, slices } = TRUNKS[name] as (typeof TRUNKS)[string];
  expect(countParameters(net)).toBe(parameters);
  expect(sum(net.widths)).toBe(heads); // one weight a channel
  console.log(`${name}: ${parameters.toLocaleString("en")} + ${heads.toLocaleString("en")} parameters`);
  // LPIPS puts the number of the slice, that is of the tap, before torchvision's index
  const held: string[] = [];
  const layers = Object.entries(net.parameters);
  slices.forEach((convs, k) => {
    for (const [key, { shape }] of layers.splice(0, 2 * convs))
      held.push(line(key.replace("features", `net.slice${k + 1}`), shape));
  });
  expect(layers).toEqual([]);
  const list = keys && official(keys);
  if (!list) return;
  const lins = (at: (k: number) => string) => net.widths.map((C, k) => line(`${at(k)}.model.1.weight`, [1, C, 1, 1]));
  expect([...held, ...lins((k) => `lin${k}`), ...lins((k) => `lins.${k}`)]).toEqual(
    list.filter((key) => !key.startsWith("scaling_layer.")),
  );
});

test("Inception-v3 for FID", () => {
  const net = inception();
  const classifier = (net.features + 1) * 1008;
  expect(net.features).toBe(2048);
  expect(countParameters(net)).toBe(21_785_568);
  expect(countParameters(net) + classifier).toBe(23_850_960);
  const buffers = Object.entries(net.buffers ?? {});
  const held = [...Object.entries(net.parameters).map(([key, { shape }]) => [key, shape] as const), ...buffers];
  expect(held).toHaveLength(566);
  const list = official("fid_inception");
  if (list) {
    expect(held.map(([key, shape]) => line(key, shape)).sort()).toEqual(list.toSorted());
    const own = new Set(Object.keys(net.parameters));
    const order = list.map((key) => key.split(" ")[0] as string).filter((key) => own.has(key));
    expect(Object.keys(net.parameters)).toEqual(order);
  }
  console.log("Inception-v3: 21,785,568 parameters, 23,850,960 with its classifier, 566 tensors");
});
