/** The list: every op that users may call. */
export { adamStep } from "./adam.ts";
export { attention, attentionQkv } from "./attention.ts";
export { type BatchNormOptions, batchNorm } from "./batch_norm.ts";
export { resizeBilinear } from "./bilinear.ts";
export { add, broadcastTo, div, mul, sub, where } from "./broadcast.ts";
export { cast } from "./cast.ts";
export { complexAbs, conj } from "./complex.ts";
export { concat, concatBatch, slice, sliceBatch, sliceChannels, split, stack } from "./concat.ts";
export { conv2d } from "./conv2d.ts";
export { convTranspose2d } from "./conv2d_vjp_x.ts";
export { decimate } from "./decimate.ts";
export {
  abs,
  affine,
  clamp,
  exp,
  leakyRelu,
  log,
  reciprocal,
  relu,
  round,
  sigmoid,
  silu,
  softplus,
  sqrt,
  square,
  tanh,
} from "./elementwise.ts";
export { sinusoidal } from "./embedding.ts";
export { fft, fft2, fftshift, ifft2, ifftshift } from "./fft.ts";
export { firDown, firUp, upfirdn } from "./fir.ts";
export { fourier } from "./fourier.ts";
export { groupNorm } from "./group_norm.ts";
export { lincomb } from "./lincomb.ts";
export { linear as linearLayer, matmul } from "./matmul.ts";
export { maxPool } from "./max_pool.ts";
export { meanPool } from "./mean_pool.ts";
export { nearestUp, zeroInsert } from "./nearest_up.ts";
export { crop, pad, unpad } from "./pad.ts";
export { pixelShuffle, pixelUnshuffle } from "./pixel_shuffle.ts";
export { poisson } from "./poisson.ts";
export { avgPool, avgPool2 } from "./pool.ts";
export type { PoolOptions } from "./pool_window.ts";
export { proxAliased } from "./prox_aliased.ts";
export { proxBlockAverage } from "./prox_block_average.ts";
export { proxFourier } from "./prox_fourier.ts";
export { proxMask } from "./prox_mask.ts";
export { type Rng, rng } from "./random.ts";
export { dot, mean, sum, sumSquares, sumTo } from "./reduce.ts";
export { asComplex, asReal, reshape } from "./reshape.ts";
export { irfft2, rfft2 } from "./rfft.ts";
export { flip, roll } from "./roll.ts";
export { put, type Selection, selection, take } from "./take.ts";
export { tiles, untile } from "./tiles.ts";
export { transpose } from "./transpose.ts";
export { walshHadamard } from "./walsh_hadamard.ts";
export { type Affine, warp } from "./warp.ts";
