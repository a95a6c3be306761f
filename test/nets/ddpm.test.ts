import { expect, test } from "vitest";
import { ddpm } from "../../src/nets/ddpm.ts";
import { countParameters } from "../../src/nets/net.ts";
import { type FixtureNet, fixtureCase } from "../lib/fixture.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

/** Each in test/fixtures/ddpm.py under the same name, which counts its parameters. */
const CASES: Record<string, FixtureNet & { parameters: number }> = {
  published: {
    net: ddpm({ resolution: 16, channels: 64, multipliers: [1, 2], blocks: 1, attention: [8] }),
    shape: [2, 8, 12, 3],
    t: [3.5, 981],
    parameters: 2_795_587,
  },
  odd: {
    net: ddpm({
      resolution: 16,
      inChannels: 1,
      outChannels: 6,
      channels: 32,
      multipliers: [2, 1, 3],
      attention: [16, 4],
      resampleWithConv: false,
    }),
    shape: [2, 12, 4, 1],
    t: [0, 250],
    parameters: 2_456_454,
  },
};
for (const [name, given] of Object.entries(CASES)) {
  fixtureCase("ddpm", name, given);
  test(`${name}: as many parameters as the fixture`, () => {
    expect(countParameters(given.net)).toBe(given.parameters);
  });
}

test("channels that do not divide into groups are named", () => {
  expect(() => ddpm({ resolution: 8, channels: 48, multipliers: [1] })).toThrow("48 channels do not divide");
});
