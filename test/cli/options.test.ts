import { expect, it } from "vitest";
import { parse } from "../../src/cli/options.ts";
import { clock } from "../../src/cli/progress.ts";

const options = { noise: { type: "string" }, out: { type: "string", short: "o" }, force: { type: "boolean" } } as const;
const said = (...argv: string[]) => {
  try {
    return parse(argv, options).values;
  } catch (error) {
    return (error as Error).message;
  }
};

it("takes a negative number for a value, and what follows -- as it is", () => {
  expect(said("--noise", "-1", "-o", "-.5")).toMatchObject({ noise: "-1", out: "-.5" });
  const { values, positionals } = parse(["-o", "x", "--", "--noise", "-1"], options, true);
  expect([values.out, values.noise, positionals]).toEqual(["x", undefined, ["--noise", "-1"]]);
});

it("says in one line what is wrong with an option, and what was meant", () => {
  expect(said("--nosie", "1")).toBe("unknown option --nosie; did you mean --noise?");
  expect(said("--zebra")).toBe("unknown option --zebra; --help lists them");
  expect(said("-q")).toBe("unknown option -q; --help lists them");
  expect(said("--noise")).toMatch(/^--noise expects a value;/);
  expect(said("--out", "--noise", "1")).toMatch(/^--out expects a value;/);
  expect(said("--force=yes")).toBe("--force takes no value");
  expect(said("a.png")).toBe("a.png: not expected here; --help shows what is");
});

it("tells time as a clock does", () => {
  expect([0.4, 75, 3601].map(clock)).toEqual(["0:00", "1:15", "1:00:01"]);
});
