import { cast } from "../../kernels/cast.ts";
import { reshape } from "../../kernels/reshape.ts";
import { normUnet } from "../../src/nets/norm_unet.ts";
import { withGpu } from "../lib/gpu.ts";
import { goldenCase } from "../lib/network.ts";

withGpu();

goldenCase("varnet_normunet", ({ config }) => {
  const { chans, num_pools } = config as { chans: number; num_pools: number };
  const net = normUnet({ channels: chans, pools: num_pools });
  return {
    parameters: net.parameters,
    // [1, 1 coil, H, W, 2]; normalised in f32 whatever the weights are
    apply(params, x) {
      const [, , H, W] = x.shape as [number, number, number, number];
      const y = net.apply(params, reshape(cast(x, "f32"), [1, H, W, 2]));
      return cast(reshape(y, x.shape), x.dtype);
    },
  };
});
