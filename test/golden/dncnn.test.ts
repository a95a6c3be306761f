import { officialDncnn } from "../../src/nets/dncnn.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

goldenCase("dncnn", ({ config }) => {
  const { parameters, apply } = officialDncnn(config as object);
  return { parameters, apply };
});
