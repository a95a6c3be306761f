/**
 * The blur of Tran et al. 2021 (KernelWizard.adaptKernel), a network that blurs a sharp picture as a latent kernel says:
 *   f = features(u)      conv, two convs of stride 2, leaky ReLU 0.1 after each, residual blocks x + conv(relu(conv(x)))
 *   a = adapter(f, k)    pix2pix's U-Net of 5 levels, 4x4 convolutions of stride 2, k beside its innermost features, tanh
 *   y = u + trunk(a)     residual blocks, two pixel shuffles by 2, two convs
 * u [N, H, W, C] in [0, 1], sides multiples of 128; k [1 | N, H/128, W/128, 8 width]. Its LeakyReLUs of 0.2 work in place, so
 * what skips a level goes through them too, which the ReLU that follows forgets. Parameters have the names of GOPRO_wVAE.pth;
 * `rename` leaves out its kernel_extractor, which is of no use here.
 */
import { broadcastTo } from "../../kernels/broadcast.ts";
import { concat } from "../../kernels/concat.ts";
import { conv2d } from "../../kernels/conv2d.ts";
import { convTranspose2d } from "../../kernels/conv2d_vjp_x.ts";
import { leakyRelu, relu, tanh } from "../../kernels/elementwise.ts";
import { pixelShuffle } from "../../kernels/pixel_shuffle.ts";
import { ShapeError } from "../errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { declare } from "./layers.ts";
import type { Module, Params, Specs } from "./net.ts";

export interface KernelWizardConfig {
  channels?: number;
  width?: number;
  /** Residual blocks before and after the adapter. */
  front?: number;
  back?: number;
  /** Channels at full size; 64 in every release. */
  last?: number;
}

/** Its options, by its own names. */
export interface OfficialKernelWizard {
  input_nc?: number;
  nf?: number;
  front_RBs?: number;
  back_RBs?: number;
}

/** The network that the authors' code would build from these options. */
export const officialKernelWizard = ({
  input_nc = 3,
  nf = 64,
  front_RBs = 10,
  back_RBs = 20,
}: OfficialKernelWizard = {}): Module<[u: Tensor, k: Tensor]> =>
  kernelWizard({ channels: input_nc, width: nf, front: front_RBs, back: back_RBs });

const LEVELS = 5;
/** Sides are divided by 4 before the adapter and by 2 at each of its levels. */
const MULTIPLE = 4 * 2 ** LEVELS;

export function kernelWizard({
  channels = 3,
  width = 64,
  front = 10,
  back = 20,
  last = 64,
}: KernelWizardConfig = {}): Module<[u: Tensor, k: Tensor]> {
  const parameters: Specs = {};
  const residual = (at: string) => {
    for (const i of [1, 2]) declare.conv(parameters, `${at}.conv${i}`, width, width, 3);
    return at;
  };
  const convs = [0, 2, 4].map((i) => ({ at: `feature_extractor.${i}`, stride: i ? 2 : 1 }));
  for (const { at, stride } of convs) declare.conv(parameters, at, width, stride === 1 ? channels : width, 3);
  const fronts = Array.from({ length: front }, (_, i) => residual(`feature_extractor.${6 + i}`));

  const outer = (level: number) => width * [1, 1, 2, 4, 8][level]!;
  const inner = (level: number) => width * [1, 2, 4, 8, 8][level]!;
  const four = (name: string, shape: readonly number[]) => {
    parameters[`${name}.weight`] = { shape, init: { fanIn: 16 * (shape[1] as number) } };
  };
  const levels = Array.from({ length: LEVELS }, (_, i) => {
    const at = `adapter.model${".submodule".repeat(i)}`;
    const names = { down: `${at}.down.${i ? 1 : 0}`, up: `${at}.up.1` };
    four(names.down, [inner(i), outer(i), 4, 4]);
    four(names.up, [2 * inner(i), outer(i), 4, 4]);
    return names;
  });
  parameters["adapter.model.up.1.bias"] = { shape: [width], init: { fanIn: 16 * width } };

  const backs = Array.from({ length: back }, (_, i) => residual(`recon_trunk.${i}`));
  const tail = [0, 3, 6, 8].map((i) => `recon_trunk.${back + i}`) as [string, string, string, string];
  declare.conv(parameters, tail[0], 4 * width, width, 3);
  declare.conv(parameters, tail[1], 4 * last, width, 3);
  declare.conv(parameters, tail[2], last, last, 3);
  declare.conv(parameters, tail[3], channels, last, 3);

  const conv = (p: Params, at: string, x: Tensor, more: object = {}) =>
    conv2d(x, p[`${at}.weight`] as Tensor, { padding: 1, bias: p[`${at}.bias`], ...more });
  const stride2 = { stride: 2, padding: 1 } as const;
  const through = (p: Params, names: readonly string[], x: Tensor): Tensor => {
    let h = x;
    for (const at of names) {
      const before = h;
      h = scope(() => conv(p, `${at}.conv2`, relu(conv(p, `${at}.conv1`, before)), { residual: before }));
      if (before !== x) before.dispose();
    }
    return h;
  };
  const adapt = (p: Params, x: Tensor, k: Tensor, level = 0): Tensor =>
    scope(() => {
      const { down, up } = levels[level] as (typeof levels)[number];
      const kept = level ? leakyRelu(x, 0.2) : x;
      const below = conv2d(kept, p[`${down}.weight`] as Tensor, stride2);
      const deep = level === LEVELS - 1 ? concat([below, k]) : adapt(p, below, k, level + 1);
      const out = convTranspose2d(relu(deep), p[`${up}.weight`] as Tensor, { ...stride2, bias: p[`${up}.bias`] });
      return level ? concat([out, kept]) : tanh(out);
    });

  return {
    name: "kernelWizard",
    parameters,
    apply: (p, u, k) =>
      scope(() => {
        const [N, H, W, C] = u.shape as [number, number, number, number];
        const latent = [H / MULTIPLE, W / MULTIPLE, 8 * width];
        if (u.shape.length !== 4 || C !== channels || latent.some((n) => !Number.isInteger(n)))
          throw new ShapeError(
            `kernelWizard: u expects [N, H, W, ${channels}] with sides that are multiples of ${MULTIPLE}, got [${u.shape}]`,
          );
        if (
          k.shape.length !== 4 ||
          ![1, N].includes(k.shape[0] as number) ||
          latent.some((n, i) => n !== k.shape[i + 1])
        )
          throw new ShapeError(`kernelWizard: k expects [1 or ${N}, ${latent}], got [${k.shape}]`);
        const all = k.shape[0] === N ? k : broadcastTo(k, [N, ...latent]);
        let h = u;
        for (const { at, stride } of convs) h = leakyRelu(conv(p, at, h, { stride }), 0.1);
        h = through(p, backs, adapt(p, through(p, fronts, h), all));
        for (const at of tail.slice(0, 2)) h = leakyRelu(pixelShuffle(conv(p, at, h), 2), 0.1);
        return conv(p, tail[3], leakyRelu(conv(p, tail[2], h), 0.1), { residual: u });
      }),
  };
}
