import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { NCSNPP, type NcsnppConfig, ncsnpp, officialNcsnpp } from "../../src/nets/ncsnpp.ts";
import { initParams } from "../../src/nets/net.ts";
import { plan } from "../../src/tensor/plan.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { type FixtureNet, fixtureCase, fixtureParams } from "../lib/fixture.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { seeded } from "../lib/seeded.ts";

withGpu();

const base = { resolution: 16, channels: 16, multipliers: [1, 2], blocks: 1, attention: [8] };
const fir = [1, 3, 3, 1];
const frequencies = (name: string) => (name === "all_modules.0.W" ? seeded(name, 16).map((v) => 40 * v) : undefined);
const of = (config: NcsnppConfig, shape: FixtureNet["shape"], t: number[]): FixtureNet => ({
  net: ncsnpp(config),
  shape,
  t,
  values: frequencies,
});

/** Each in test/fixtures/score_sde.py under the same name. */
const CASES: Record<string, FixtureNet> = {
  cat: of(
    { ...base, fir, progressiveInput: "skip", progressiveOutput: "skip", combine: "cat" },
    [2, 8, 12, 3],
    [0.375, 41.5],
  ),
  discrete: of(
    {
      ...base,
      blocks: 2,
      attention: [16],
      embedding: "positional",
      progressiveInput: "residual",
      skipRescale: false,
      centered: true,
      sigmas: { min: 0.01, max: 50, count: 10 },
    },
    [2, 12, 8, 3],
    [7, 2],
  ),
  deep: of(
    {
      ...base,
      inChannels: 1,
      multipliers: [1, 1, 2],
      blocks: 2,
      attention: [16, 4],
      fir,
      progressiveInput: "residual",
    },
    [2, 8, 4, 1],
    [0.011, 3.25],
  ),
  plain: of(
    {
      ...base,
      inChannels: 4,
      channels: 20,
      embedding: "positional",
      progressiveInput: "skip",
      progressiveOutput: "skip",
      centered: true,
      scaleBySigma: false,
    },
    [1, 4, 6, 4],
    [499.5],
  ),
};
for (const [name, given] of Object.entries(CASES)) fixtureCase("score_sde", name, given);

test.each(["deep", "discrete"])("%s: a plan is given noise levels anew", async (name) => {
  const given = CASES[name] as FixtureNet;
  const { net, shape } = given;
  const { kept, direct } = await evaluate(() => {
    const params = fixtureParams(given);
    const x = () => tensor(shape, seeded("x", sizeOf(shape)));
    const [first, then] = [
      [1, 2],
      [5, 0.5],
    ];
    using replay = plan((x: Tensor, t: readonly number[]) => net.apply(params, x, t), [x(), first]);
    return { kept: replay(x(), then), direct: net.apply(params, x(), then) };
  });
  expect([...kept]).toEqual([...direct]);
});

test("fresh parameters: frequencies of deviation 16, last layers of branches almost zero, a result of zero", async () => {
  const net = ncsnpp({ ...base, channels: 32, fir, sigmas: { min: 0.01, max: 50, count: 4 } });
  const { W, last, y } = await evaluate(() => {
    const { tree } = initParams(net, rng(1));
    const y = net.apply(tree, tensor([1, 4, 4, 3], seeded("x", 48)), 0.5);
    return { W: tree["all_modules.0.W"], last: tree["all_modules.4.Conv_1.weight"], y };
  });
  const rms = (x: Float32Array = new Float32Array()) => Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length);
  expect(rms(W)).toBeGreaterThan(10);
  expect(rms(W)).toBeLessThan(22);
  expect(rms(last)).toBeLessThan(1e-5);
  expect(rms(y)).toBeLessThan(1e-3);
});

test("what it cannot be is named", async () => {
  const official = { resblock_type: "ddpm", nonlinearity: "swish" } as Parameters<typeof officialNcsnpp>[0];
  expect(() => officialNcsnpp(official)).toThrow("resblock_type of biggan expected, got ddpm");
  expect(() => ncsnpp({ ...NCSNPP.cifar10, channels: 30 })).toThrow("30 channels do not divide into groups of 4");
  await evaluate(() => {
    const given = CASES.discrete as FixtureNet;
    const run = (t: number) => given.net.apply(fixtureParams(given), tensor([1, 4, 4, 3], seeded("x", 48)), t);
    expect(() => run(10)).toThrow("a noise level of 0 to 9 expected, got 10");
    return [];
  });
});
