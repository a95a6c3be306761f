import { cast } from "../../kernels/cast.ts";
import { type Network, precondition } from "../../src/diffusion/precondition.ts";
import { type OfficialEdm, officialEdm } from "../../src/nets/edm_official.ts";
import type { Stored } from "../lib/golden.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

const rows = (stored: Stored | undefined): number[][] | undefined => {
  if (!stored) return;
  const width = stored.shape[1] as number;
  return Array.from({ length: stored.shape[0] as number }, (_, n) => [
    ...stored.data.subarray(n * width, (n + 1) * width),
  ]);
};

// D(x; sigma) of the official classes: around the bare network, in f32 as they have it
for (const name of ["edm_adm", "edm_ddpmpp", "edm_ncsnpp"])
  goldenCase(name, (json) => {
    const { net, precondition: form, sigmaData } = officialEdm(json.config as OfficialEdm);
    return {
      parameters: net.parameters,
      buffers: Object.keys(net.buffers ?? {}),
      apply: (params, x, io) => {
        const [label, augment] = [rows(io.get("class_labels")), rows(io.get("augment_labels"))];
        const labels = { ...(label && { label }), ...(augment && { augment }) };
        const F: Network = (scaled, noise) => cast(net.apply(params, cast(scaled, x.dtype), noise, labels), "f32");
        const D = precondition[form](F, { sigmaData });
        return cast(D(cast(x, "f32"), [...(io.get("sigma") as Stored).data]), x.dtype);
      },
    };
  });
