import { type OfficialNcsnpp, officialNcsnpp } from "../../src/nets/ncsnpp.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

for (const name of ["ncsnpp_skip", "ncsnpp_residual", "ddpmpp_vp"])
  goldenCase(name, (json) => {
    const net = officialNcsnpp(json.config as OfficialNcsnpp);
    return {
      parameters: net.parameters,
      buffers: ["sigmas"],
      apply: (params, x, io) => net.apply(params, x, [...(io.get("sigma")?.data ?? [])]),
    };
  });
