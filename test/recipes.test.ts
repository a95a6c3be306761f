import { expect, test } from "vitest";
import { METHODS } from "../src/recipes.ts";
import { CHANGEABLE, COMMON, dashed, type Method, settingsOf, valuesOf } from "../src/recipes_shared.ts";

test.each(Object.entries(METHODS))(
  "%s: its settings are fit for a command line and its defaults for themselves",
  (_, m) => {
    const all = settingsOf(m);
    expect(m.about).toMatch(/^\S.*[^.]$/);
    // what the command has besides
    const taken = ["out", "data", "prior", "resume", "dry-run", "json", "help"];
    for (const name of Object.keys(all)) {
      expect(name).toMatch(/^[a-z][A-Za-z0-9]*$/);
      expect(taken).not.toContain(dashed(name));
    }
    for (const name of Object.keys(m.settings)) expect(Object.keys(COMMON)).not.toContain(name);
    for (const name of Object.keys(m.defaults ?? {})) expect(Object.keys(COMMON)).toContain(name);
    for (const name of CHANGEABLE) expect(Object.keys(all)).toContain(name);
    const values = valuesOf(m);
    // a default is what its own text would be read as
    const texts = Object.entries(values).map(([name, value]) => [
      name,
      typeof value === "boolean" ? value : String(value),
    ]);
    expect(valuesOf(m, Object.fromEntries(texts))).toEqual(values);
  },
);

test("what does not fit is said in a line, by the option's name", () => {
  const edm = METHODS.edm as Method;
  for (const [given, why] of [
    [{ steps: "0" }, "train: --steps expects a whole number from 1 up, got 0"],
    [{ lrEnd: "much" }, "train: --lr-end expects a number from 0 up, got much"],
    [{ lr: "" }, "train: --lr expects a number from 0 up, got "],
    [{ decay: "linear" }, "train: --decay expects one of cosine, constant, step, got linear"],
    [{ multipliers: "1,x" }, "train: --multipliers expects numbers from 1 up with commas between, got 1,x"],
    [{ stepz: 3 }, /no setting stepz; there are steps, /],
  ] as const)
    expect(() => valuesOf(edm, given)).toThrow(why);
  expect(valuesOf(edm, { multipliers: "1,2", logMean: "-2.5", steps: 7 })).toMatchObject({
    ...{ multipliers: [1, 2], logMean: -2.5, steps: 7, batch: 24 },
  });
});
