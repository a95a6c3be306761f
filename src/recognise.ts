/** Which network a weights file holds, and with which arguments it was made: from names and shapes alone. */
import { WeightsError } from "./errors.ts";
import { ADM, adm } from "./recognise_adm.ts";
import { edm } from "./recognise_edm.ts";
import { type Config, type Family, type Guess, guess, type Shapes } from "./recognise_keys.ts";
import { others } from "./recognise_others.ts";
import { scoreSde } from "./recognise_score_sde.ts";

const FAMILIES: readonly Family[] = [adm, scoreSde, edm, ...others];

/** What wrappers, trainers and checkpoints put before a network's own names. */
const WRAPPERS = [
  "module.",
  "_orig_mod.",
  "state_dict.",
  "ema_model.",
  "ema.",
  "model.",
  "network.",
  "net.",
  "denoiser.",
];

export interface Hints {
  /** For messages. */
  readonly who?: string;
  /** Arguments that you know: they go before what the tensors suggest. */
  readonly config?: Config | undefined;
  /** The class of the official code, where you know it. */
  readonly architecture?: string | undefined;
  /** Of a safetensors file: what `weights convert` wrote there. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** What else the file says: an EDM pickle holds the constructor's arguments. */
  readonly about?: Readonly<Record<string, unknown>> | undefined;
}

export interface Recognised extends Guess {
  /** In words. */
  readonly title: string;
  /** What stood before the network's own names in the file. */
  readonly prefix: string;
  /** The file's name of a tensor, by the network's. */
  readonly names: Readonly<Record<string, string>>;
}

interface Candidate {
  family: Family;
  prefix: string;
  names: Record<string, string>;
}

/**
 * The network behind these tensors. Arguments that shapes cannot show are taken from the published file of the same
 * sizes (`assumed`) or, where there is none, from the constructor's defaults and named in `open`.
 */
export function recognise(shapes: Shapes, hints: Hints = {}): Recognised {
  const who = hints.who ?? "weights";
  const found = candidates(Object.keys(shapes));
  const best = preferred(found);
  if (!best && hints.architecture && hints.config) return trusted(shapes, hints.architecture, hints.config);
  if (!best) throw new WeightsError(`${who}: ${unknown(Object.keys(shapes))}`);
  const own = Object.fromEntries(
    Object.entries(best.names).map(([ours, theirs]) => [ours, shapes[theirs] as Shapes[string]]),
  );
  let inferred: Guess;
  try {
    inferred = best.family.infer(own);
  } catch (error) {
    if (!(error instanceof WeightsError)) throw error;
    throw new WeightsError(`${who}: these look like the weights of ${best.family.title}, but ${error.message}`);
  }
  const aside = Object.keys(shapes).length - Object.keys(best.names).length;
  const notes = [
    ...inferred.notes,
    ...(best.prefix ? [`names begin with ${best.prefix}`] : []),
    ...(aside ? [`${aside} tensors outside ${best.prefix || "the network"} are left aside`] : []),
  ];
  return {
    ...told({ ...inferred, notes }, hints, who),
    title: best.family.title,
    prefix: best.prefix,
    names: best.names,
  };
}

/** What the caller says, of a file in which nothing is recognised: comparing the tensors will show. */
const trusted = (shapes: Shapes, architecture: string, config: Config): Recognised => ({
  ...guess(architecture, config),
  title: architecture,
  prefix: "",
  names: Object.fromEntries(Object.keys(shapes).map((name) => [name, name])),
});

/** Families whose marks are all there, behind any prefix that occurs. */
function candidates(names: readonly string[]): Candidate[] {
  const found: Candidate[] = [];
  for (const prefix of prefixes(names)) {
    const inside = names.filter((name) => name.startsWith(prefix));
    for (const family of FAMILIES)
      for (const added of family.adds ? ["", family.adds] : [""]) {
        const own = inside.map((name) => added + name.slice(prefix.length));
        if (!family.marks.every((mark) => own.some((name) => mark.test(name)))) continue;
        found.push({ family, prefix, names: Object.fromEntries(own.map((name, i) => [name, inside[i] as string])) });
      }
  }
  return found;
}

/** Every chain of wrappers that some name begins with, the shortest first. */
function prefixes(names: readonly string[]): string[] {
  const found = [""];
  for (const prefix of found)
    for (const wrapper of WRAPPERS) {
      const longer = prefix + wrapper;
      if (longer.length < 40 && names.some((name) => name.startsWith(longer))) found.push(longer);
    }
  return found;
}

/** The one that explains most of the file; of two copies of a network the averaged one. */
function preferred(found: readonly Candidate[]): Candidate | undefined {
  const explained = ({ family, names }: Candidate) =>
    Object.keys(names).filter((name) => family.looks.test(name)).length;
  const averaged = ({ prefix }: Candidate) => Number(/(^|\.)ema(_model)?\./.test(prefix));
  return [...found].sort((a, b) => explained(b) - explained(a) || averaged(b) - averaged(a))[0];
}

/** What the file or the caller say goes before what was inferred. */
function told(inferred: Guess, { metadata, about, config, architecture }: Hints, who: string): Guess {
  const stored = fromMetadata(metadata, who);
  const said: Config = { ...fromPickle(about), ...stored?.config, ...config };
  const left = (table: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(table).filter(([key]) => !(key in said)));
  const open = stored ? {} : left(inferred.open); // a stored configuration is whole: what it leaves out is the default
  if ("num_heads" in said || "num_head_channels" in said) delete open.num_head_channels;
  const precond = (said.precond ?? about?.class_name) as string | undefined;
  const named =
    precond?.endsWith("Precond") && inferred.architecture.startsWith("edm ")
      ? `edm training.networks.${precond}`
      : undefined;
  return {
    architecture: architecture ?? stored?.architecture ?? named ?? inferred.architecture,
    config: { ...inferred.config, ...said, ...(named && { precond }) },
    assumed: left(named ? without(inferred.assumed, "precond") : inferred.assumed),
    open,
    notes: [
      ...inferred.notes,
      ...(stored ? ["the file's metadata hold its configuration"] : []),
      ...(named && about?.class_name ? ["the pickle holds the constructor's arguments"] : []),
    ],
  };
}

function fromMetadata(metadata: Hints["metadata"], who: string) {
  if (!metadata?.config || !metadata.architecture) return undefined;
  const ours = metadata.architecture === "adm_unet"; // what `proxel train` writes
  try {
    const config = JSON.parse(metadata.config) as Config;
    if (typeof config === "object" && config !== null && !Array.isArray(config))
      return { architecture: ours ? ADM : metadata.architecture, config };
  } catch {
    // said below
  }
  throw new WeightsError(`${who}: its metadata expect a JSON object as config, got ${metadata.config.slice(0, 80)}`);
}

const EDM_ARGUMENTS = [
  "img_resolution",
  "img_channels",
  "label_dim",
  "augment_dim",
  "model_channels",
  "channel_mult",
  "num_blocks",
  "attn_resolutions",
  "channel_mult_emb",
  "embedding_type",
  "channel_mult_noise",
  "encoder_type",
  "decoder_type",
  "resample_filter",
  "model_type",
  "sigma_data",
];

/** The constructor's arguments that an EDM pickle keeps. */
function fromPickle(about: Hints["about"]): Config {
  const kwargs = about?.init_kwargs as Record<string, unknown> | undefined;
  if (typeof kwargs !== "object" || kwargs === null || !String(about?.class_name).endsWith("Precond")) return {};
  return Object.fromEntries(EDM_ARGUMENTS.flatMap((key) => (key in kwargs ? [[key, kwargs[key]]] : [])));
}

/** Says of an unknown file which network is nearest to it, and what that one would have. */
function unknown(names: readonly string[]): string {
  if (names.length === 0) return "expected the weights of a network, got no tensors";
  const some = `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
  const near = prefixes(names)
    .flatMap((prefix) =>
      FAMILIES.flatMap((family) =>
        (family.adds ? ["", family.adds] : [""]).map((added) => {
          const own = names.filter((n) => n.startsWith(prefix)).map((n) => added + n.slice(prefix.length));
          const looks = own.filter((n) => family.looks.test(n)).length;
          return { family, looks, missing: family.marks.filter((mark) => !own.some((n) => mark.test(n))) };
        }),
      ),
    )
    .sort((a, b) => b.looks - a.looks || a.missing.length - b.missing.length)[0];
  const known = FAMILIES.map(({ title }) => title).join(", ");
  if (!near || near.looks === 0)
    return `expected the weights of a known network (${known}), got ${names.length} tensors such as ${some}`;
  return `expected the weights of a known network, got ${names.length} tensors such as ${some}; the nearest is ${near.family.title}, of which ${near.missing.map((m) => plain(m)).join(", ")} is missing; give its architecture and config`;
}

/** A mark as a name: `^model\.0\.weight$` -> model.0.weight */
const plain = (mark: RegExp): string =>
  mark.source
    .replace(/^\^|\$$/g, "")
    .replace(/\\d\+?/g, "N")
    .replace(/\\\.?/g, ".");

const without = <T>(table: Readonly<Record<string, T>>, gone: string): Record<string, T> =>
  Object.fromEntries(Object.entries(table).filter(([key]) => key !== gone));
