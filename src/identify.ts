/** A weights file as a network: recognised, built, compared tensor by tensor, and read onto the GPU. */
import { ARCHITECTURES, type Network, network } from "./architectures.ts";
import { ProxelError, WeightsError } from "./errors.ts";
import { type Specs, shapesOf } from "./nets/net.ts";
import { type Hints, type Recognised, recognise } from "./recognise.ts";
import type { Shapes } from "./recognise_keys.ts";
import { sameShape, sizeOf } from "./tensor/shape.ts";
import type { Tensor } from "./tensor/tensor.ts";
import type { Weights } from "./weights/open.ts";
import { streamParams } from "./weights/params.ts";
import type { ReadOptions } from "./weights/source.ts";
import { widen } from "./weights/stored.ts";

export interface Fit {
  /** Names that the network wants and the file has not. */
  readonly missing: readonly string[];
  /** Names in the file that the network has no use for. */
  readonly unused: readonly string[];
  /** `name expects [...], got [...]` */
  readonly misshapen: readonly string[];
}

/** What loading tensors needs to know. */
export interface Expected extends Pick<Recognised, "title" | "names" | "open"> {
  /** Absent where Proxel recognises the network and cannot run it; `why` says so. */
  readonly network?: Pick<Network, "parameters" | "buffers">;
  readonly why?: string;
  readonly fit: Fit;
  /** Numbers in the file that belong to the network, buffers left out. */
  readonly parameters: number;
}
export interface Identified extends Recognised, Expected {
  readonly network?: Network;
}

/** What checkpoints keep beside their networks and nobody reads. */
const IDLE = /(^sigmas$|^u$|\.num_batches_tracked$|\.resample_filter$|^scaling_layer\.|^lins\.\d|^classifier\.)/;
const BUFFER =
  /(^sigmas$|^u$|\.map_noise\.freqs$|\.running_(mean|var)$|\.num_batches_tracked$|\.resample_filter$|^scaling_layer\.|^lins\.\d)/;

/** Compares what a network wants with what a file has, under the network's names. */
export function compare(wanted: Readonly<Specs>, given: Shapes, buffers: Shapes = {}): Fit {
  const names = Object.keys(wanted);
  return {
    missing: names.filter((name) => !Object.hasOwn(given, name)),
    unused: Object.keys(given).filter(
      (name) => !Object.hasOwn(wanted, name) && !Object.hasOwn(buffers, name) && !IDLE.test(name),
    ),
    misshapen: names.flatMap((name) => {
      const got = Object.hasOwn(given, name) ? given[name] : undefined;
      const want = (wanted[name] as Specs[string]).shape;
      return got && !sameShape(got, want) ? [`${name} expects [${want}], got [${got}]`] : [];
    }),
  };
}

export const shapesIn = ({ names, info }: Pick<Weights, "names" | "info">): Record<string, readonly number[]> =>
  Object.fromEntries(names.map((name) => [name, info(name).shape]));

/** Recognises a file and builds its network. Throws where it is none that Proxel knows. */
export function identify(weights: Weights, hints: Hints = {}): Identified {
  const { name: who, metadata, about } = weights;
  const shapes = shapesIn(weights);
  const found = recognise(shapes, { who, metadata, about, ...hints });
  const own = Object.fromEntries(Object.entries(found.names).map(([ours, theirs]) => [ours, shapes[theirs] ?? []]));
  const parameters = Object.entries(own).reduce(
    (sum, [name, shape]) => sum + (BUFFER.test(name) ? 0 : sizeOf(shape)),
    0,
  );
  const none: Fit = { missing: [], unused: [], misshapen: [] };
  if (!Object.hasOwn(ARCHITECTURES, found.architecture))
    return { ...found, parameters, fit: none, why: `Proxel does not run ${found.architecture} from a file alone` };
  try {
    const built = network(found.architecture, found.config, who);
    return { ...found, parameters, network: built, fit: compare(built.parameters, own, built.buffers) };
  } catch (error) {
    if (!(error instanceof ProxelError)) throw error;
    return { ...found, parameters, fit: none, why: error.message };
  }
}

/** Tensors whose names and shapes are known beforehand: those of a network of ours. */
export function whole(weights: Weights, net: Pick<Network, "parameters" | "buffers">): Expected {
  const shapes = shapesIn(weights);
  return {
    title: "a prior of Proxel",
    names: Object.fromEntries(weights.names.map((name) => [name, name])),
    open: {},
    network: net,
    fit: compare(net.parameters, shapes, net.buffers),
    parameters: Object.values(shapes).reduce((sum, shape) => sum + sizeOf(shape), 0),
  };
}

/** As `identify`, with the noise levels that a score_sde checkpoint holds read from it. */
export async function examine(weights: Weights, hints: Hints = {}): Promise<Identified> {
  const found = identify(weights, hints);
  const stored = found.names.sigmas;
  const count = stored === undefined ? 0 : (weights.info(stored).shape[0] ?? 0);
  if (stored === undefined || count < 2 || count > 1e5) return found;
  const levels = widen(await weights.read(stored));
  const [sigma_max, sigma_min] = [levels[0] as number, levels[count - 1] as number];
  if (!(sigma_min > 0 && sigma_max > sigma_min && sigma_max < Number.POSITIVE_INFINITY)) return found;
  return identify(weights, { ...hints, config: { sigma_max, sigma_min, num_scales: count, ...hints.config } });
}

/** `2 missing (a, b)`, or nothing where there are none. */
export const listed = (names: readonly string[], what: string): string[] =>
  names.length ? [`${names.length} ${what} (${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""})`] : [];

/** The network, or a WeightsError that says what stands in its way: tensors by name, arguments that are open. */
export function settled<E extends Expected>(found: E, who: string): NonNullable<E["network"]> {
  if (!found.network) throw new WeightsError(`${who}: ${found.why?.replace(`${who}: `, "")}`);
  const { missing, unused, misshapen } = found.fit;
  const complaints = [
    ...listed(missing, "missing"),
    ...listed(unused, "unused"),
    ...listed(misshapen, "of another shape"),
  ];
  if (complaints.length)
    throw new WeightsError(
      `${who}: the nearest network is ${found.title}, but the weights do not fit: ${complaints.join("; ")}`,
    );
  const open = Object.entries(found.open);
  if (open.length)
    throw new WeightsError(
      `${who}: ${found.title}: ${open.map(([name, why]) => `${name}: ${why}`).join("; ")}; give ${open.map(([name]) => name).join(", ")} in its config`,
    );
  return found.network as NonNullable<E["network"]>;
}

/** The tensors of a network on the GPU, read one by one: the host never holds more than a few of them. */
export async function loadTensors(
  weights: Weights,
  found: Expected,
  options: ReadOptions & { dtype?: "f32" | "f16"; frugal?: boolean } = {},
): Promise<Record<string, Tensor>> {
  const { parameters } = settled(found, weights.name);
  const ours = new Map(Object.entries(found.names).map(([name, theirs]) => [theirs, name]));
  const rename = (theirs: string): string | undefined => {
    const name = ours.get(theirs);
    return name !== undefined && Object.hasOwn(parameters, name) ? name : undefined;
  };
  return streamParams(weights.name, shapesOf(parameters), weights, { ...options, rename });
}
