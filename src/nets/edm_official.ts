/** EDM's networks from the arguments of its own classes: a preconditioner's class and, inside it, a network's. */
import { ShapeError } from "../errors.ts";
import { dhariwalUnet } from "./dhariwal_unet.ts";
import type { Net } from "./net.ts";
import { songUnet } from "./song_unet.ts";

/** The arguments of EDMPrecond, VPPrecond, VEPrecond or iDDPMPrecond and of the network inside, by their own names. */
export interface OfficialEdm {
  /** The class around the network; EDMPrecond unless given. */
  precond?: "EDMPrecond" | "VPPrecond" | "VEPrecond" | "iDDPMPrecond";
  /** The network's class; DhariwalUNet unless given, in VPPrecond and VEPrecond SongUNet. */
  model_type?: "SongUNet" | "DhariwalUNet";
  img_resolution: number;
  img_channels: number;
  /** Of the network's input, where it is shown more than the picture; the preconditioners here have no such argument. */
  in_channels?: number;
  label_dim?: number;
  /** Of EDMPrecond. */
  sigma_data?: number;
  augment_dim?: number;
  model_channels?: number;
  channel_mult?: readonly number[];
  channel_mult_emb?: number;
  num_blocks?: number;
  attn_resolutions?: readonly number[];
  /** Of SongUNet. */
  embedding_type?: "positional" | "fourier";
  channel_mult_noise?: number;
  encoder_type?: "standard" | "skip" | "residual";
  decoder_type?: "standard" | "skip";
  resample_filter?: readonly number[];
  /** Of DhariwalUNet's blocks, 64 in all that was released. */
  channels_per_head?: number;
}

export interface EdmNetwork {
  /** The bare F(x, c_noise): its input is scaled by c_in, its output not yet by c_out. */
  net: Net;
  /** What turns it into a denoiser. */
  precondition: "edm" | "vp" | "ve" | "iddpm";
  /** Of "edm". */
  sigmaData: number;
  /** 0 where there are none. */
  classes: number;
  augments: number;
}

const FORMS = { EDMPrecond: "edm", VPPrecond: "vp", VEPrecond: "ve", iDDPMPrecond: "iddpm" } as const;

/** The network that EDM would build from these arguments, its parameters under `model.`. */
export function officialEdm(c: OfficialEdm): EdmNetwork {
  const precondition = FORMS[c.precond ?? "EDMPrecond"];
  const type = c.model_type ?? (precondition === "vp" || precondition === "ve" ? "SongUNet" : "DhariwalUNet");
  if (!precondition || (type !== "SongUNet" && type !== "DhariwalUNet"))
    throw new ShapeError(
      `officialEdm: a precond of ${Object.keys(FORMS).join(", ")} and a model_type of SongUNet or DhariwalUNet expected, got ${c.precond} and ${type}`,
    );
  const [classes, augments] = [c.label_dim ?? 0, c.augment_dim ?? 0];
  const shared = given({
    resolution: c.img_resolution,
    inChannels: c.in_channels ?? c.img_channels,
    outChannels: precondition === "iddpm" ? 2 * c.img_channels : c.img_channels,
    channels: c.model_channels,
    multipliers: c.channel_mult,
    embMultiplier: c.channel_mult_emb,
    blocks: c.num_blocks,
    attention: c.attn_resolutions,
    classes,
    augments,
    prefix: "model.",
  });
  const net =
    type === "DhariwalUNet"
      ? dhariwalUnet({ ...shared, ...given({ headChannels: c.channels_per_head }) })
      : songUnet({
          ...shared,
          ...given({
            embedding: c.embedding_type,
            noiseMultiplier: c.channel_mult_noise,
            encoder: c.encoder_type,
            decoder: c.decoder_type,
            filter: c.resample_filter,
          }),
        });
  return {
    net: precondition === "iddpm" ? { ...net, buffers: { u: [1001], ...net.buffers } } : net, // the levels it knows
    precondition,
    sigmaData: c.sigma_data ?? 0.5,
    classes,
    augments,
  };
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };
/** What is undefined left out, so that defaults hold. */
const given = <T extends object>(options: T): Given<T> =>
  Object.fromEntries(Object.entries(options).filter(([, v]) => v !== undefined)) as Given<T>;
