// What the published configurations hold, counted from declarations: nothing is allocated.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ADM, officialAdm } from "../../src/nets/adm_official.ts";
import { dhariwalUnet } from "../../src/nets/dhariwal_unet.ts";
import { discriminator } from "../../src/nets/discriminator.ts";
import { type OfficialEdm, officialEdm } from "../../src/nets/edm_official.ts";
import { countParameters, type Module, shapesOf } from "../../src/nets/net.ts";
import { shared } from "../lib/golden.ts";

const ddpmpp: Partial<OfficialEdm> = {
  model_type: "SongUNet",
  embedding_type: "positional",
  channel_mult_noise: 1,
  encoder_type: "standard",
  decoder_type: "standard",
  resample_filter: [1, 1],
  model_channels: 128,
};
const ncsnpp: Partial<OfficialEdm> = {
  ...ddpmpp,
  embedding_type: "fourier",
  channel_mult_noise: 2,
  encoder_type: "residual",
  resample_filter: [1, 3, 3, 1],
};
const cifar = { img_resolution: 32, img_channels: 3, channel_mult: [2, 2, 2], augment_dim: 9 };
const ffhq = { img_resolution: 64, img_channels: 3, channel_mult: [1, 2, 2, 2], augment_dim: 9 };
const baseline = { img_resolution: 32, img_channels: 3, channel_mult: [1, 2, 2, 2] };
const imagenet: OfficialEdm = {
  model_type: "DhariwalUNet",
  img_resolution: 64,
  img_channels: 3,
  label_dim: 1000,
  model_channels: 192,
  channel_mult: [1, 2, 3, 4],
};
const edm = (c: OfficialEdm) => officialEdm(c).net;
const unfolding = { resolution: 256, multipliers: [1, 1, 2, 2, 4, 4] };
const cEdm = { ...unfolding, channels: 128, blocks: 2, attention: [32, 16, 8] };

type Row = [name: string, parameters: number, net: Module<never[]>, keys?: string];
const ROWS: Row[] = [
  ["2a ADM FFHQ 256", 93_563_910, officialAdm(ADM.ffhq256), "adm_ffhq_10m"],
  ["2b ADM ImageNet 256", 552_814_086, officialAdm(ADM.imagenet256), "adm_imagenet256_uncond"],
  ["2c ADM ImageNet 256 by class", 553_838_086, officialAdm(ADM.imagenet256Conditional)],
  ["ADM ImageNet 64 by class", 295_904_454, officialAdm(ADM.imagenet64Conditional)],
  ["4a EDM CIFAR-10, ddpmpp", 55_733_891, edm({ ...ddpmpp, ...cifar }), "edm_cifar10_ddpmpp"],
  ["4b EDM CIFAR-10, ncsnpp", 56_397_827, edm({ ...ncsnpp, ...cifar }), "edm_cifar10_ncsnpp"],
  ["4c EDM CIFAR-10 by class, ddpmpp", 55_735_299, edm({ ...ddpmpp, ...cifar, label_dim: 10 })],
  ["4d EDM FFHQ 64, ddpmpp", 61_805_571, edm({ ...ddpmpp, ...ffhq }), "edm_ffhq64_ddpmpp"],
  ["4e EDM FFHQ 64, ncsnpp", 62_761_091, edm({ ...ncsnpp, ...ffhq }), "edm_ffhq64_ncsnpp"],
  ["4f EDM ImageNet 64 by class, adm", 295_899_267, edm(imagenet), "edm_imagenet64_adm"],
  ["4g EDM baseline CIFAR-10, ve", 62_758_787, edm({ ...ncsnpp, ...baseline, precond: "VEPrecond" })],
  ["4g EDM baseline CIFAR-10, vp", 61_804_419, edm({ ...ddpmpp, ...baseline, precond: "VPPrecond" })],
  ["EDM baseline ImageNet 64", 295_904_454, edm({ ...imagenet, precond: "iDDPMPrecond" })],
  ["7 UD2M discriminator", 762_209, discriminator({ size: 256 })],
  ["Diff-Unfolding cEDM", 138_286_467, dhariwalUnet(cEdm)],
  ["Diff-Unfolding cEDM beside a measurement", 138_289_923, dhariwalUnet({ ...cEdm, inChannels: 6 })],
  [
    "Diff-Unfolding, one of 8 iterations",
    5_867_427,
    dhariwalUnet({ ...unfolding, channels: 32, blocks: 1, attention: [16] }),
  ],
];

test.each(ROWS)("%s: %i parameters", (_, parameters, net) => {
  expect(countParameters(net)).toBe(parameters);
});

test.each(ROWS.filter(([, , , keys]) => keys))("%s: names, shapes and order of its checkpoint", (_, __, net, keys) => {
  const path = shared(`spec/keys/${keys}.json`);
  if (!path) return console.log(`skipped: no list of keys ${keys}; set PROXEL_SHARED to a folder that has it`);
  const listed = JSON.parse(readFileSync(path, "utf8")) as Record<string, [shape: number[], dtype: string]>;
  const all = { ...shapesOf(net.parameters), ...net.buffers };
  expect(all).toEqual(Object.fromEntries(Object.entries(listed).map(([name, [shape]]) => [name, shape])));
  expect(Object.keys(net.parameters)).toEqual(Object.keys(listed).filter((name) => !net.buffers?.[name]));
});

test("what no size or class describes is refused by name", () => {
  const config = { ...ADM.imagenet256, image_size: 96 };
  expect(() => officialAdm(config)).toThrow("no usual one for an image_size of 96");
  expect(countParameters(officialAdm({ ...config, channel_mult: [1, 2] }))).toBeGreaterThan(1e7);
  expect(() => officialEdm({ ...imagenet, precond: "EDM" as "EDMPrecond" })).toThrow("got EDM and DhariwalUNet");
  expect(() => edm({ ...ddpmpp, ...cifar, resample_filter: [1, 2, 1] })).toThrow("even length");
  expect(() => discriminator({ size: 100 })).toThrow("multiples of 8, got 100");
});
