import { describe, expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { motionPsf, smoothMotionPsf } from "../../src/physics/motion.ts";

const total = (psf: number[][]) => psf.flat().reduce((a, b) => a + b, 0);
/** Mean and covariance of the weights' places, in taps from the middle. */
function moments(psf: number[][]) {
  const c = (psf.length - 1) / 2;
  const mean = (f: (x: number, y: number) => number) =>
    psf.reduce((sum, row, y) => sum + row.reduce((s, w, x) => s + w * f(x - c, y - c), 0), 0);
  const [x, y] = [mean((u) => u), mean((_, v) => v)];
  return {
    x,
    y,
    xx: mean((u) => (u - x) ** 2),
    yy: mean((_, v) => (v - y) ** 2),
    xy: mean((u, v) => (u - x) * (v - y)),
  };
}

describe.each([
  ["motionPsf", (seed: number, size = 61) => motionPsf(rng(seed), { size })],
  ["smoothMotionPsf", (seed: number, size = 61) => smoothMotionPsf(rng(seed), { size })],
] as const)("%s", (_, draw) => {
  test("weights from 0 up with the sum 1, in a square of any side; the same seed gives the same", () => {
    for (const size of [3, 8, 15, 61]) {
      const psf = draw(5, size);
      expect([psf.length, ...new Set(psf.map((row) => row.length))]).toEqual([size, size]);
      expect(Math.min(...psf.flat())).toBeGreaterThanOrEqual(0);
      expect(total(psf)).toBeCloseTo(1, 12);
      expect(draw(5, size)).toEqual(psf);
      expect(draw(6, size)).not.toEqual(psf);
    }
  });

  test("a thin line about the middle, as often upright as lying", () => {
    const drawn = Array.from({ length: 60 }, (_, seed) => draw(seed));
    const share = (psf: number[][]) => {
      const all = psf.flat();
      const least = 0.05 * Math.max(...all);
      return all.filter((w) => w > least).length / all.length;
    };
    expect(drawn.reduce((sum, psf) => sum + share(psf), 0) / 60).toBeLessThan(0.15);
    const all = drawn.map(moments);
    const mean = (f: (m: (typeof all)[number]) => number) => all.reduce((sum, m) => sum + f(m), 0) / all.length;
    expect(
      Math.hypot(
        mean((m) => m.x),
        mean((m) => m.y),
      ),
    ).toBeLessThan(2);
    expect(mean((m) => m.xx) / mean((m) => m.yy)).toBeGreaterThan(0.6);
    expect(mean((m) => m.xx) / mean((m) => m.yy)).toBeLessThan(1.6);
  });
});

test("more intensity bends the shake", () => {
  // how far a kernel is from a straight line: the smaller over the larger eigenvalue of its covariance, the median
  const bend = (intensity: number) => {
    const all = Array.from({ length: 40 }, (_, seed) => {
      const { xx, yy, xy } = moments(motionPsf(rng(seed), { size: 41, intensity }));
      const [half, root] = [(xx + yy) / 2, Math.hypot((xx - yy) / 2, xy)];
      return (half - root) / (half + root);
    });
    return all.sort((a, b) => a - b)[20] as number;
  };
  expect(bend(0.9)).toBeGreaterThan(3 * bend(0.1));
});

test("a smooth drift has the spread that the covariance leaves once its mean is off", () => {
  // over a unit of time, far longer than `length`, nearly all of spread^2 stays
  const seeds = Array.from({ length: 80 }, (_, seed) =>
    moments(smoothMotionPsf(rng(seed), { size: 61, length: 0.02, spread: 0.2 })),
  );
  const variance = seeds.reduce((sum, { xx, yy }) => sum + (xx + yy) / 2, 0) / 80;
  expect(Math.sqrt(variance) / 30.5).toBeGreaterThan(0.185);
  expect(Math.sqrt(variance) / 30.5).toBeLessThan(0.205);
});

test("options that make no sense are refused", () => {
  expect(() => motionPsf(rng(0), { size: 2 })).toThrow("motionPsf: expected a side of 3 pixels or more, got 2");
  expect(() => motionPsf(rng(0), { intensity: 0 })).toThrow("intensity above 0");
  expect(() => smoothMotionPsf(rng(0), { length: 0 })).toThrow("smoothMotionPsf: expected a length above 0, got 0");
});
