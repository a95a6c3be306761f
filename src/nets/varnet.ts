import { div, keep, mul, sub } from "../../kernels/broadcast.ts";
import { conjMul } from "../../kernels/complex.ts";
import { sqrt } from "../../kernels/elementwise.ts";
import { fft2, fftshift, ifft2, ifftshift } from "../../kernels/fft.ts";
import { sum, sumSquares } from "../../kernels/reduce.ts";
import { asComplex, asReal, reshape } from "../../kernels/reshape.ts";
import { transpose } from "../../kernels/transpose.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import { Tensor, tensor } from "../tensor/tensor.ts";
import type { Module, Params, Specs } from "./net.ts";
import { normUnet } from "./norm_unet.ts";

export interface VarnetConfig {
  cascades?: number;
  /** Channels and poolings of the sensitivity model's U-Net. */
  sensChannels?: number;
  sensPools?: number;
  /** Of the cascades' U-Nets. */
  channels?: number;
  pools?: number;
  /** The sensitivities are estimated from the fully sampled centre only; otherwise from all that was measured. */
  maskCentre?: boolean;
}
/** The arguments of fastMRI's VarNet, by its own names. */
export interface OfficialVarnet {
  num_cascades?: number;
  sens_chans?: number;
  sens_pools?: number;
  chans?: number;
  pools?: number;
  mask_center?: boolean;
}

export interface Sampling {
  /**
   * Which columns of k-space were measured, 1 or 0: one row for all samples, or one each. Or which points: f32 [H, W, 1] or
   * [N, H, W, 1], which then also needs `centre`.
   */
  mask: readonly number[] | readonly (readonly number[])[] | Tensor;
  /** Columns of the fully sampled centre; counted in the mask when left out or 0. */
  lowFrequencies?: number;
  /** Of a mask of points: 1 over the middle part that sensitivities are estimated from, shaped as the mask. */
  centre?: Tensor;
}

/** A sample of reconstruction: coil k-spaces to one picture of magnitudes. */
export interface Varnet extends Module<[kspace: Tensor, sampling: Sampling]> {
  /** The coil sensitivities that it would use, c64 [N, H, W, coils], sum of |S|^2 = 1. */
  sensitivities(params: Params, kspace: Tensor, sampling: Sampling): Tensor;
}

/** Centred and orthonormal: fastMRI's fft2c and ifft2c. */
const F = (x: Tensor) => scope(() => fftshift(fft2(ifftshift(x), { norm: "ortho" })));
const Finv = (k: Tensor) => scope(() => fftshift(ifft2(ifftshift(k), { norm: "ortho" })));

/**
 * E2E-VarNet [Sriram 2020]: unrolled gradient steps in k-space, with a learned prior and learned coil sensitivities.
 *   S = NormUnet(F^-1 centre k0), each coil by itself, divided by the root of the coils' sum of squares
 *   k <- k - w M (k - k0) - F(S NormUnet(sum over coils of conj(S) F^-1 k))           for each cascade
 *   y = sqrt(sum over coils of |F^-1 k|^2)
 * k-space is c64 [N, H, W, coils], coils as channels and the zero frequency in the middle; y is f32 [N, H, W, 1].
 * M leaves out columns (Cartesian sampling), or points. Where all coils are 0, S is taken as 0; fastMRI divides by 0 there.
 */
export function varnet(config: VarnetConfig = {}): Varnet {
  const { cascades = 12, sensChannels = 8, sensPools = 4, channels = 18, pools = 4, maskCentre = true } = config;
  const sens = normUnet({ channels: sensChannels, pools: sensPools });
  const model = normUnet({ channels, pools });
  const parameters: Specs = {};
  const own = (prefix: string, specs: Specs) => {
    for (const [name, spec] of Object.entries(specs)) parameters[prefix + name] = spec;
  };
  own("sens_net.norm_unet.", sens.parameters);
  for (let i = 0; i < cascades; i++) {
    parameters[`cascades.${i}.dc_weight`] = { shape: [1], init: 1 };
    own(`cascades.${i}.model.`, model.parameters);
  }
  const under = (p: Params, prefix: string, specs: Specs): Params =>
    Object.fromEntries(Object.keys(specs).map((name) => [name, p[prefix + name] as Tensor]));

  const sensitivities = (p: Params, k0: Tensor, sampling: Sampling) =>
    scope(() => {
      const [N, H, W, C] = dims(k0);
      const centre = maskCentre ? mul(k0, centreOf(sampling, N, W)) : k0;
      const coils = coilsToBatch(Finv(centre));
      const S = batchToCoils(sens.apply(under(p, "sens_net.norm_unet.", sens.parameters), coils), [N, H, W, C]);
      const norm = reshape(rss(S), [N, H, W, 1, 1]);
      return asComplex(keep(norm, div(asReal(S), norm)));
    });

  return {
    name: "varnet",
    parameters,
    sensitivities,
    apply: (p, k0, sampling) =>
      scope(() => {
        const [N, H, W] = dims(k0);
        const M = sampling.mask instanceof Tensor ? sampling.mask : rows(columns(sampling, N, W), W);
        const S = sensitivities(p, k0, sampling);
        let k = k0;
        for (let i = 0; i < cascades; i++) {
          const before = k;
          k = scope(() => {
            const at = `cascades.${i}.`;
            // one coil's worth: its real and imaginary parts are the two planes
            const seen = reshape(asReal(sum(conjMul(S, Finv(before)), { axes: [3] })), [N, H, W, 2]);
            const x = model.apply(under(p, `${at}model.`, model.parameters), seen);
            const prior = F(mul(S, asComplex(reshape(x, [N, H, W, 1, 2]))));
            const data = mul(mul(sub(before, k0), M), reshape(p[`${at}dc_weight`] as Tensor, [1, 1, 1, 1]));
            return sub(sub(before, data), prior);
          });
          if (before !== k0) before.dispose();
        }
        return rss(Finv(k));
      }),
  };
}

export const officialVarnet = (c: OfficialVarnet = {}): Varnet =>
  varnet({
    cascades: c.num_cascades ?? 12,
    sensChannels: c.sens_chans ?? 8,
    sensPools: c.sens_pools ?? 4,
    channels: c.chans ?? 18,
    pools: c.pools ?? 4,
    maskCentre: c.mask_center ?? true,
  });

function dims(k: Tensor): [number, number, number, number] {
  if (k.dtype !== "c64" || k.shape.length !== 4)
    throw new ShapeError(`varnet: k-space expects c64 [N, H, W, coils], got ${k.dtype} [${k.shape}]`);
  return k.shape as [number, number, number, number];
}

/** sqrt(sum over coils of |x|^2), [N, H, W, 1]. */
const rss = (x: Tensor): Tensor => {
  const [N, H, W] = x.shape as [number, number, number];
  return scope(() => reshape(sqrt(sumSquares(asReal(x), { axes: [3, 4] })), [N, H, W, 1]));
};

/** c64 [N, H, W, C] to f32 [N C, H, W, 2], and back: three exchanges of two axes each. */
function coilsToBatch(x: Tensor): Tensor {
  const [N, H, W, C] = x.shape as [number, number, number, number];
  const parts = transpose(reshape(asReal(x), [N, H * W * C, 2])); // [N, 2, H W C]
  const coils = transpose(reshape(parts, [N * 2, H * W, C])); // [N, 2, C, H W]
  return reshape(transpose(reshape(coils, [N, 2, C * H * W])), [N * C, H, W, 2]);
}
function batchToCoils(x: Tensor, [N, H, W, C]: readonly [number, number, number, number]): Tensor {
  const parts = transpose(reshape(x, [N, C * H * W, 2]));
  const coils = transpose(reshape(parts, [N * 2, C, H * W]));
  return asComplex(reshape(transpose(reshape(coils, [N, 2, H * W * C])), [N, H, W, C, 2]));
}

const rows = (list: readonly (readonly number[])[], W: number): Tensor => tensor([list.length, 1, W, 1], list.flat());

/** The mask as one row for all, or one for each sample. */
function columns({ mask }: Sampling, N: number, W: number): readonly (readonly number[])[] {
  const given = mask as Exclude<Sampling["mask"], Tensor>;
  const list = (typeof given[0] === "number" ? [given] : given) as readonly (readonly number[])[];
  const odd = list.find((row) => row.length !== W || row.some((v) => v !== 0 && v !== 1));
  if (odd || (list.length !== 1 && list.length !== N))
    throw new ShapeError(
      `varnet: mask expects 0 or 1 for each of ${W} columns, one row or ${N}, got ${list.length} of ${odd?.length ?? W}`,
    );
  return list;
}

function centreOf(sampling: Sampling, N: number, W: number): Tensor {
  const { mask, centre } = sampling;
  if (!(mask instanceof Tensor)) return rows(centres(sampling, N, W), W);
  if (centre) return centre;
  throw new TypeError(
    "varnet: a mask of points needs its centre, shaped alike: where sensitivities are estimated from",
  );
}

/** Ones over the fully sampled centre: `lowFrequencies` columns, or as many as fastMRI counts in the mask. */
function centres(sampling: Sampling, N: number, W: number): number[][] {
  const { lowFrequencies = 0 } = sampling;
  return columns(sampling, N, W).map((row) => {
    const middle = Math.floor(W / 2);
    // steps from the middle to the first gap; fastMRI's argmin gives 0 where there is none
    const left = Math.max(0, [...row.slice(0, middle)].reverse().indexOf(0));
    const right = Math.max(0, row.slice(middle).indexOf(0));
    const count = lowFrequencies || Math.max(2 * Math.min(left, right), 1);
    const from = Math.floor((W - count + 1) / 2);
    return row.map((_, i) => (i >= from && i < from + count ? 1 : 0));
  });
}
