import { type OfficialAdm, officialAdm } from "../../src/nets/adm_official.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

for (const name of ["adm_plain_cond", "adm_updown", "adm_wide_first"])
  goldenCase(name, (json) => {
    const net = officialAdm(json.config as OfficialAdm);
    return {
      parameters: net.parameters,
      apply: (params, x, io) => {
        const label = io.get("label");
        return net.apply(params, x, [...(io.get("timesteps")?.data ?? [])], label ? { label: [...label.data] } : {});
      },
    };
  });
