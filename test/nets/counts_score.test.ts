/** Sizes and names of the networks that score_sde and pesser published. No GPU: a network owns no numbers. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DDPM, ddpm } from "../../src/nets/ddpm.ts";
import { NCSNPP, ncsnpp } from "../../src/nets/ncsnpp.ts";
import { countParameters, type Net } from "../../src/nets/net.ts";
import { shared } from "../lib/golden.ts";

interface Row {
  net: () => Net;
  parameters: number;
  /** Of these, frequencies that are never trained. */
  fixed?: number;
  tensors: number;
  keys?: string;
}
const PUBLISHED: Record<string, Row> = {
  "NCSN++ VE CIFAR-10 continuous": {
    net: () => ncsnpp(NCSNPP.cifar10),
    parameters: 62_758_915,
    fixed: 128,
    tensors: 572,
    keys: "ncsnpp_cifar10_ve_continuous",
  },
  "NCSN++ VE CIFAR-10 deep continuous": {
    net: () => ncsnpp(NCSNPP.cifar10Deep),
    parameters: 107_587_075,
    fixed: 128,
    tensors: 964,
    keys: "ncsnpp_cifar10_ve_deep_continuous",
  },
  "NCSN++ VE LSUN bedroom 256": {
    net: () => ncsnpp(NCSNPP.bedroom256),
    parameters: 65_574_549,
    fixed: 128,
    tensors: 646,
    keys: "ncsnpp_lsun256_ve_continuous",
  },
  "NCSN++ VE LSUN church 256": {
    net: () => ncsnpp(NCSNPP.church256),
    parameters: 65_574_549,
    fixed: 128,
    tensors: 646,
    keys: "ncsnpp_lsun256_ve_continuous",
  },
  "NCSN++ VE FFHQ and CelebA-HQ 256": {
    net: () => ncsnpp(NCSNPP.ffhq256),
    parameters: 65_574_549,
    fixed: 128,
    tensors: 646,
    keys: "ncsnpp_lsun256_ve_continuous",
  },
  "DDPM++ VP CIFAR-10 continuous": {
    net: () => ncsnpp(NCSNPP.cifar10DdpmppVp),
    parameters: 61_804_419,
    tensors: 565,
    keys: "ddpmpp_cifar10_vp_continuous",
  },
  "NCSN++ VP CIFAR-10 continuous": { net: () => ncsnpp(NCSNPP.cifar10Vp), parameters: 62_693_251, tensors: 571 },
  "NCSN++ VE CIFAR-10 discrete": { net: () => ncsnpp(NCSNPP.cifar10Discrete), parameters: 62_693_251, tensors: 571 },
  "DDPM LSUN 256": { net: () => ddpm(DDPM.lsun256), parameters: 113_673_219, tensors: 450, keys: "pesser_lsun256" },
  "DDPM CIFAR-10": { net: () => ddpm(DDPM.cifar10), parameters: 35_746_307, tensors: 328, keys: "pesser_cifar10" },
};

test.each(Object.keys(PUBLISHED))("%s", (name) => {
  const { net: make, parameters, fixed = 0, tensors, keys } = PUBLISHED[name] as Row;
  const net = make();
  const specs = Object.entries(net.parameters);
  const still = specs.filter(([, spec]) => spec.fixed).map(([key, { shape }]) => [key, shape]);
  const held = [...Object.entries(net.buffers ?? {}), ...specs.map(([key, { shape }]) => [key, shape] as const)];
  expect(countParameters(net)).toBe(parameters);
  expect(still).toEqual(fixed ? [["all_modules.0.W", [fixed]]] : []);
  expect(held.length).toBe(tensors);
  console.log(`${name}: ${parameters.toLocaleString("en")} parameters, ${tensors} tensors`);

  const file = keys && shared(`spec/keys/${keys}.json`);
  if (!file) return console.log(`skipped: the names of ${name}: ${keys ? "no reference file" : "no list of them"}`);
  const official: Record<string, [number[], string]> = JSON.parse(readFileSync(file, "utf8"));
  // names, their order and their shapes
  expect(held.map(([key, shape]) => `${key} [${shape}]`)).toEqual(
    Object.entries(official).map(([key, [shape]]) => `${key} [${shape}]`),
  );
});
