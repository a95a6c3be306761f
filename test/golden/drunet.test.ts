import { officialDrunet } from "../../src/nets/drunet.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

goldenCase("drunet", ({ config }) => {
  const { parameters, apply } = officialDrunet(config as object);
  return { parameters, apply };
});
