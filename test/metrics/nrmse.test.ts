import { describe, expect, it } from "vitest";
import { nrmse } from "../../src/metrics/nrmse.ts";
import { a, b } from "./pair.ts";

describe("nrmse", () => {
  it("agrees with scikit-image in all three norms", () => {
    expect(nrmse(b, a)).toBeCloseTo(0.15877804028286424, 12);
    expect(nrmse(b, a, { by: "range" })).toBeCloseTo(0.08905494765897135, 12);
    expect(nrmse(b, a, { by: "mean" })).toBeCloseTo(0.1716426070609986, 12);
  });
});
