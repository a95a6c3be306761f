import { cast } from "../../kernels/cast.ts";
import { reshape } from "../../kernels/reshape.ts";
import { type OfficialDiscriminator, officialDiscriminator } from "../../src/nets/discriminator.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { nhwc, type Stored } from "../lib/golden.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

goldenCase("ud2m_disc", (json) => {
  const net = officialDiscriminator(json.config as OfficialDiscriminator);
  return {
    parameters: net.parameters,
    apply: (params, x, io) => {
      const y = nhwc(io.get("cond") as Stored);
      const out = net.apply(params, x, cast(tensor(y.shape, y.data), x.dtype), { sigmoid: true });
      return reshape(out, [-1, 1]);
    },
  };
});
