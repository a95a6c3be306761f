import { expect, it } from "vitest";
import { nearest } from "../../src/cli/nearest.ts";

it("suggests the command that was meant", () => {
  const commands = ["restore", "degrade", "doctor", "demo"];
  expect(nearest("restor", commands)).toBe("restore");
  expect(nearest("docter", commands)).toBe("doctor");
  expect(nearest("re", commands)).toBe("restore");
  expect(nearest("zebra", commands)).toBeUndefined();
});
