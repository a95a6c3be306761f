import { pixelShuffle, pixelUnshuffle } from "../../kernels/pixel_shuffle.ts";
import type { Net } from "./net.ts";

/** A network on r x r blocks of pixels, seen from the pixels: blocks go into channels before it and come out after. */
export function spaceToDepth(net: Net, r: number): Net {
  if (r === 1) return net;
  return {
    ...net,
    inChannels: net.inChannels / r ** 2,
    outChannels: net.outChannels / r ** 2,
    multipleOf: net.multipleOf * r,
    apply: (params, x, t, labels) => pixelShuffle(net.apply(params, pixelUnshuffle(x, r), t, labels), r),
  };
}
