import { expect, test } from "vitest";
import { paired, studentT, table } from "../../bench/reproduce/paired.ts";
import { normals } from "../lib/random.ts";

test("Student's t, from tables", () => {
  for (const [freedom, t] of [
    [5, 2.5706],
    [10, 2.2281],
    [30, 2.0423],
    [99, 1.9842],
  ] as const)
    expect(studentT(freedom)).toBeCloseTo(t, 2);
});

test("the interval holds the true difference 19 times of 20, and a verdict follows from it", () => {
  let held = 0;
  for (let k = 0; k < 400; k++) {
    const [base, noise] = [normals(20, 2 * k + 1), normals(20, 2 * k + 2)];
    const a = [...base].map((v, i) => 5 * v + 0.3 + (noise[i] as number));
    const { low, high } = paired(
      a,
      [...base].map((v) => 5 * v),
    );
    if (low <= 0.3 && high >= 0.3) held++;
  }
  expect(held).toBeGreaterThan(400 * 0.95 - 4 * Math.sqrt(400 * 0.95 * 0.05));
  expect(held).toBeLessThan(400);
  expect(paired([3, 4, 5.1], [1, 2, 3])).toMatchObject({ n: 3, verdict: "better" });
  expect(paired([3, 4, 5.1], [1, 2, 3], { lower: true }).verdict).toBe("worse");
  expect(paired([1, 2, 3], [3, 4, 5.1]).verdict).toBe("worse");
  expect(paired([1, 5, 3], [3, 2, 3.5]).verdict).toBe("unresolved");
  expect(() => paired([1], [1])).toThrow("2 pairs or more, got 1 and 1");
  expect(() => paired([1, Number.NaN], [1, 2])).toThrow("not finite");
});

test("a table of them", () => {
  const row = {
    task: "deblur",
    metric: "PSNR (dB)",
    names: ["MUPET", "DSM"] as const,
    ...paired([30, 31, 32.3], [29, 30, 31]),
  };
  expect(table([row]).split("\n")[2]).toBe(
    "| deblur | PSNR (dB) | MUPET 31.10 | DSM 30.00 | +1.10 [+0.67, +1.53] | 3 | better |",
  );
});
