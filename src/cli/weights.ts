import { WeightsError } from "../errors.ts";
import { examine, type Identified, listed } from "../identify.ts";
import { convert as converted, isFloat } from "../weights/convert.ts";
import type { Weights } from "../weights/open.ts";
import { saveWeights } from "../weights/save.ts";
import type { StoredType, TensorInfo } from "../weights/stored.ts";
import { nearest } from "./nearest.ts";
import { parse } from "./options.ts";
import { interruptible } from "./progress.ts";
import { bytesBar, dtypeOf, OPTIONS, open, target, type WeightsValues } from "./weights_files.ts";
import { forward } from "./weights_forward.ts";

const HELP = `proxel weights: what a weights file holds, as safetensors, and what its network gives

  proxel weights inspect FILE [--json]
  proxel weights convert FILE -o OUT.safetensors [--dtype f16|f32] [-f]
  proxel weights forward FILE --input IN.safetensors -o OUT.safetensors [--config FILE.json] [--dtype f16|f32] [-f]

FILE is safetensors (or the index of its shards), a torch checkpoint, an EDM pickle, npz or npy; a path or an address.

  --no-ema           the trained weights, where the file also has averaged ones (--ema, the default)
  -o, --out FILE     written whole or not at all
  --dtype f16|f32    convert: of matrices (norms, biases and frequencies stay f32) [as stored]; forward: [f32]
  --input FILE       x and what else the network takes (timesteps, sigma, t, label, class_labels, cond, …), NCHW
  --config FILE      JSON with official_class and config, the constructor's arguments; what the tensors show may be left out
  --json             inspect: one JSON object`;

const ACTIONS: Record<string, [run: (file: string, values: WeightsValues) => Promise<number>, takes: string[]]> = {
  inspect: [inspect, ["json"]],
  convert: [convert, ["out", "dtype", "force"]],
  forward: [forward, ["out", "dtype", "force", "input", "config"]],
};

export async function weights(argv: string[]): Promise<number> {
  const { values, positionals } = parse(argv, OPTIONS, true);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [name, file, ...more] = positionals;
  const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (!action) {
    const near = name === undefined ? undefined : nearest(name, Object.keys(ACTIONS));
    throw new TypeError(
      `expected inspect, convert or forward, got ${name ?? "nothing"}${near ? `; did you mean ${near}?` : ""}`,
    );
  }
  if (file === undefined) throw new TypeError(`${name} which file? proxel weights ${name} FILE`);
  if (more.length) throw new TypeError(`${more[0]}: ${name} takes one file`);
  const [run, takes] = action;
  const idle = Object.keys(values).find((key) => ![...takes, "ema", "no-ema"].includes(key));
  if (idle) throw new TypeError(`--${idle} is not for ${name}; --help shows what is`);
  return run(file, values);
}

async function inspect(path: string, values: WeightsValues): Promise<number> {
  const { signal, done } = interruptible();
  const file = await open(path, values, signal);
  try {
    let found: Identified | undefined;
    let unknown = "";
    try {
      found = await examine(file);
    } catch (error) {
      if (!(error instanceof WeightsError)) throw error;
      unknown = error.message.replace(`${file.name}: `, "");
    }
    const tensors = file.names.map((name) => ({ name, ...file.info(name) }));
    if (values.json) console.log(JSON.stringify({ ...summary(path, file, found, unknown), tensors }));
    else print(path, file, found, unknown);
    return 0;
  } finally {
    await file.close();
    done();
  }
}

const numbers = (shapes: readonly (readonly number[])[]): number =>
  shapes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** `F32 362, I64 1` */
function dtypes(file: Weights): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of file.names) {
    const { dtype } = file.info(name);
    counts[dtype] = (counts[dtype] ?? 0) + 1;
  }
  return counts;
}

const summary = (path: string, file: Weights, found: Identified | undefined, unknown: string) => ({
  file: path,
  format: file.format,
  bytes: file.size,
  part: file.part,
  architecture: found?.architecture ?? null,
  title: found?.title ?? null,
  config: found?.config ?? null,
  assumed: found?.assumed ?? {},
  open: found?.open ?? {},
  notes: found?.notes ?? [],
  why: found ? (found.why ?? null) : unknown,
  parameters: found?.parameters ?? numbers(file.names.map((name) => file.info(name).shape)),
  dtypes: dtypes(file),
  missing: found?.fit.missing ?? [],
  unused: found?.fit.unused ?? [],
  misshapen: found?.fit.misshapen ?? [],
  metadata: file.metadata,
});

/** Names come from the file: what would move the cursor of a terminal is not printed. */
const clean = (text: string, most = 2000): string => text.replace(/\p{Cc}/gu, "?").slice(0, most);

function print(path: string, file: Weights, found: Identified | undefined, unknown: string): void {
  const told = summary(path, file, found, unknown);
  const kinds = Object.entries(told.dtypes).map(([type, n]) => `${n} ${type}`);
  const out = [
    `${path}: ${file.format}, ${(file.size / 1e6).toFixed(1)} MB${file.part ? `, its ${file.part}` : ""}`,
    `architecture  ${found ? `${found.title}: ${found.architecture}` : "unknown"}`,
    `parameters    ${told.parameters.toLocaleString("en")} in ${file.names.length} tensors (${kinds.join(", ")})`,
  ];
  const list = (label: string, lines: readonly string[]) => {
    lines.forEach((line, i) => out.push(`${(i ? "" : label).padEnd(13)} ${clean(line)}`));
  };
  list(
    "config",
    Object.entries(told.config ?? {}).map(([key, value]) => `${key} ${JSON.stringify(value)}`),
  );
  list(
    "assumed",
    Object.entries(told.assumed).map(([key, why]) => `${key}: ${why}`),
  );
  list(
    "open",
    Object.entries(told.open).map(([key, why]) => `${key}: ${why}`),
  );
  list("notes", told.notes);
  if (told.why) list("why", [told.why]);
  list("missing", told.missing);
  list("unused", told.unused);
  list("misshapen", told.misshapen);
  const width = Math.min(60, Math.max(...file.names.map((name) => name.length), 0));
  out.push("");
  for (const name of file.names) {
    const { dtype, shape } = file.info(name);
    out.push(`  ${clean(name, 200).padEnd(width)}  ${dtype.padEnd(4)}  [${shape.join(", ")}]`);
  }
  console.log(out.join("\n"));
}

async function convert(path: string, values: WeightsValues): Promise<number> {
  const out = await target(values);
  const dtype = dtypeOf(values);
  const { signal, done } = interruptible();
  const bar = bytesBar("convert");
  const file = await open(path, values, signal);
  try {
    const found = await examine(file).catch((error) => {
      if (!(error instanceof WeightsError)) throw error;
      return undefined; // unknown networks keep their names
    });
    const ours = new Map(Object.entries(found?.names ?? {}).map(([name, theirs]) => [theirs, name]));
    const settled = found && isWhole(found) && Object.keys(found.open).length === 0;
    const metadata = {
      ...file.metadata,
      ...(settled && { architecture: found.architecture, config: JSON.stringify(found.config) }),
      ...(file.metadata.architecture && {
        architecture: file.metadata.architecture,
        config: file.metadata.config ?? "{}",
      }),
    };
    await saveWeights(out, dtype ? rounded(file, dtype) : file, {
      rename: (name) => (found ? ours.get(name) : name),
      metadata,
      signal,
      onProgress: bar.onProgress,
    });
    if (found && !isWhole(found)) console.error(`weights convert: ${path}: ${misfit(found, file)}`);
    const aside = found ? file.names.length - ours.size : 0;
    console.error(
      `weights: ${path} -> ${out}, ${found ? found.title : "a network unknown here, names as they were"}${aside ? `; ${aside} tensors outside ${found?.prefix || "it"} left out` : ""}`,
    );
    return 0;
  } finally {
    bar.stop();
    await file.close();
    done();
  }
}

const isWhole = ({ fit }: Identified): boolean => Object.values(fit).every((names) => names.length === 0);

/** Why the copy is no network that can be run. */
const misfit = ({ fit: { missing, misshapen, unused } }: Identified, { metadata }: Weights): string =>
  clean(
    [...listed(missing, "missing"), ...listed(misshapen, "misshapen"), ...listed(unused, "unused")].join(", ") +
      (metadata.architecture ? ": written with the configuration that it had" : ": written without a configuration"),
  );

/** The same file with its matrices in another type. Norms, biases and Fourier frequencies lose too much in f16. */
function rounded(file: Weights, dtype: "f16" | "f32"): Weights {
  const info = (name: string): TensorInfo => {
    const { dtype: stored, shape } = file.info(name);
    const to: StoredType = shape.length > 1 && dtype === "f16" ? "F16" : "F32";
    return { dtype: isFloat(stored) && name !== "sigmas" ? to : stored, shape };
  };
  return {
    ...file,
    info,
    async read(name) {
      const tensor = await file.read(name);
      const { dtype: to } = info(name);
      if (to === tensor.dtype) return tensor;
      return { dtype: to, shape: tensor.shape, bytes: converted(tensor, to as "F32" | "F16", `${file.name}: ${name}`) };
    },
  };
}
