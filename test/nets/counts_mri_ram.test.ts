import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { countParameters, type Specs } from "../../src/nets/net.ts";
import { officialRam } from "../../src/nets/ram.ts";
import { officialVarnet } from "../../src/nets/varnet.ts";
import { shared } from "../lib/golden.ts";

/** Names, order and shapes against a checkpoint's, where the list is at hand. Needs no GPU: nothing is allocated. */
function sameKeys(list: string, parameters: Readonly<Specs>): void {
  const path = shared(`spec/keys/${list}.json`);
  if (!path) {
    console.log(`skipped: no reference list spec/keys/${list}.json; set PROXEL_SHARED to a folder that has it`);
    return;
  }
  const keys = JSON.parse(readFileSync(path, "utf8")) as Record<string, [number[], string]>;
  expect(Object.entries(parameters).map(([name, { shape }]) => [name, [...shape]])).toEqual(
    Object.entries(keys).map(([name, [shape]]) => [name, shape]),
  );
}

test("E2E-VarNet: 12 cascades of 18 channels, 29,936,966 parameters by fastMRI's names", () => {
  const { parameters } = officialVarnet();
  expect(countParameters({ parameters })).toBe(29_936_966);
  const under = (prefix: string) =>
    countParameters({
      parameters: Object.fromEntries(Object.entries(parameters).filter(([name]) => name.startsWith(prefix))),
    });
  expect([under("sens_net."), under("cascades.3.")]).toEqual([484_898, 2_454_339]);
  sameKeys("e2e_varnet", parameters);
});

test("RAM: heads for 1, 2 and 3 channels, 35,618,953 parameters by the released names", () => {
  const { parameters } = officialRam();
  expect(countParameters({ parameters })).toBe(35_618_953);
  expect(Object.keys(parameters)).toHaveLength(825);
  sameKeys("ram", parameters);
});
