import { type OfficialDdpm, officialDdpm } from "../../src/nets/ddpm.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

goldenCase("pesser_ddpm", (json) => {
  const net = officialDdpm(json.config as OfficialDdpm);
  return {
    parameters: net.parameters,
    apply: (params, x, io) => net.apply(params, x, [...(io.get("t")?.data ?? [])]),
  };
});
