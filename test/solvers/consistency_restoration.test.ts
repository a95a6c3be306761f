/** CM4IR and LATINO, which were made for consistency models, against their recursions in doubles on the Gaussian toy. */
import { describe, expect, test } from "vitest";
import { ddpmTable } from "../../src/diffusion/schedules.ts";
import { cm4ir, cm4irLevels, cm4irPresets } from "../../src/solvers/cm4ir.ts";
import { latino, latinoPresets } from "../../src/solvers/latino.ts";
import { expectClose } from "../lib/close.ts";
import { withGpu } from "../lib/gpu.ts";
import { draws, exact, gain, moments, solved, type Toy } from "../lib/toy.ts";

withGpu();
const n2 = 0.05 ** 2;
const toys: Toy[] = [
  { c: 0.25, s: 1, y: 0.6 },
  { c: 0.25, s: 0.5, y: 0.3 },
  { c: 0.04, s: 0.2, y: 0.05 },
];
const held = (v: number) => Math.max(-1, Math.min(1, v));
const report = (what: string, toy: Toy, x: ArrayLike<number>) => {
  const { mean, std } = moments(x);
  const p = exact(toy);
  console.log(
    `${what}, c s y = ${toy.c} ${toy.s} ${toy.y}: mean ${mean.toFixed(4)}, std ${std.toFixed(4)} (posterior ${p.mean.toFixed(4)}, ${p.std.toFixed(4)})`,
  );
};

describe("cm4ir", () => {
  test("the tabulated levels", () => {
    const told = [
      [cm4irPresets.superResolution25, [0.899, 0.821, 0.667, 0.238]],
      [cm4irPresets.bedroomDeblur25, [0.253, 0.234, 0.212, 0.189]],
      [cm4irPresets.inpaint, [0.465, 0.245, 0.01, 0.01]],
      [cm4irPresets.superResolution50, [0.694, 0.614, 0.503, 0.322]],
      [cm4irPresets.bedroomDeblur50, [0.465, 0.421, 0.369, 0.305]],
    ] as const;
    for (const [preset, want] of told)
      for (const [j, level] of cm4irLevels(4, preset).entries())
        expect(Math.abs(level - (want[j] as number))).toBeLessThan(6e-4);
    expect(() => cm4irLevels(4, { first: 1000, gamma: 0.1 })).toThrow(
      "cm4ir: first must be 0 to 998, a time of the process, got 1000",
    );
  });

  test.each([
    ["bedroomDeblur50", toys[0] as Toy, true],
    ["superResolutionTold", toys[1] as Toy, true],
    ["inpaint", toys[2] as Toy, false],
  ] as const)("%s follows its recursion: %o, noisy %s", async (name, toy, noisy) => {
    const { c, s, y } = toy;
    const preset: { first: number; gamma: number; zeta?: number; delta?: readonly number[] } = cm4irPresets[name];
    const { zeta = 1, delta = [] } = preset;
    const levels = cm4irLevels(4, preset);
    const inverse = (r: number) => (s * r) / (s * s + zeta * n2);
    let x = Float64Array.from((await draws(-1))[0] as Float32Array, (z) => inverse(y) + (levels[0] as number) * z);
    for (let j = 0; j < 4; j++) {
      const [at, t] = [levels[j] as number, levels[j + 1] ?? 0];
      const [z] = (await draws(j)) as [Float32Array];
      x = x.map((v, i) => {
        const x0 = held(gain(c, at * (1 + (delta[j] ?? 0))) * v);
        if (j === 3 && noisy) return x0;
        const guided = x0 - inverse(s * x0 - y);
        return j === 3 ? guided : guided + 0.1 * t * (z[i] as number) + (Math.sqrt(0.99) * t * (x0 - v)) / at;
      });
    }
    const got = await solved(cm4ir({ ...preset, noisy }), toy);
    report(`cm4ir ${name}`, toy, got);
    expectClose(got, x, { l2: 1e-5 });
  });
});

describe("latino", () => {
  const { sigma } = ddpmTable();
  const times = [999, 874, 749, 624, 499, 374, 249, 124];
  test.each([
    ["eq. 5, delta 1", {}, toys[0] as Toy],
    ["boxInpaint", latinoPresets.boxInpaint, toys[1] as Toy],
    ["motionDeblur", latinoPresets.motionDeblur, toys[1] as Toy],
    ["gaussianDeblur", latinoPresets.gaussianDeblur, toys[2] as Toy],
  ] as const)("%s follows its recursion: %o, %o", async (name, options, toy) => {
    const { c, s, y } = toy;
    const { delta = () => 1, ofMisfit = false, lastData = false }: Parameters<typeof latino>[0] & object = options;
    let x = Float64Array.from((await draws(-1))[0] as Float32Array, () => held((s * y) / (s * s + 4 * n2)));
    const pull = (v: Float64Array, t: number) => {
      const at = Math.min(160, sigma[t] as number);
      const off = ofMisfit ? Math.sqrt(v.reduce((sum, u) => sum + (s * u - y) ** 2, 0)) : 1;
      const g = (delta(t) * off * at ** 2) / (1 + at ** 2) / n2;
      return v.map((u) => (u + g * s * y) / (1 + g * s * s));
    };
    for (const [i, t] of times.entries()) {
      const at = Math.min(160, sigma[t] as number);
      const [z] = (await draws(i)) as [Float32Array];
      x = pull(x, t).map((v, k) => held(gain(c, at) * (v + at * (z[k] as number))));
    }
    if (lastData) x = pull(x, 124);
    const got = await solved(latino(options), toy);
    report(`latino ${name}`, toy, got);
    expectClose(got, x, { l2: 1e-5 });
  });

  test("times beyond the process are refused", async () => {
    await expect(solved(latino({ times: [1000] }), toys[0] as Toy)).rejects.toThrow(
      "latino: times are whole numbers of 0 to 999, got 1000",
    );
  });
});
