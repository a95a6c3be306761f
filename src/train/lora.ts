import { cast } from "../../kernels/cast.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import { matmul } from "../../kernels/matmul.ts";
import { type Rng, rng as seededRng } from "../../kernels/random.ts";
import { reshape } from "../../kernels/reshape.ts";
import { WeightsError } from "../errors.ts";
import type { Params } from "../nets/net.ts";
import { type Flat, flat } from "../tensor/flat.ts";
import { scope } from "../tensor/scope.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { copyBuffer, type Tensor, upload } from "../tensor/tensor.ts";
import { loadParams } from "../weights/params.ts";
import type { SafetensorsFile } from "../weights/safetensors.ts";

export interface LoraOptions {
  /** Of the update of each matrix. */
  rank: number;
  /** The update is scaled by alpha / rank. Default: the rank, so by 1. */
  alpha?: number;
  /** Layers to adapt: patterns found in a layer's name (`middle_block.1.qkv`) that has a matrix or a kernel. */
  match: RegExp | readonly RegExp[];
  /** "standard": W + s B A, B = 0 at first. "ud2m": W + s A B, both Xavier-normal, so not the base even at first. */
  init?: LoraInit;
  /** Layers trained in full (UD2M: the output layer), as patterns of whole parameter names (`out.2.weight`). */
  also?: RegExp | readonly RegExp[];
  /** More trained numbers by name, with their first values; `merge` leaves them to whoever uses them. */
  scalars?: Readonly<Record<string, number>>;
  /** Draws the first values. Default: seed 0. */
  rng?: Rng;
}
export type LoraInit = "standard" | "ud2m";

export interface Lora {
  /** All that is trained, by name. */
  readonly adapters: Record<string, Tensor>;
  /** The same, side by side in a few buffers: what `adam` takes. */
  readonly flat: Flat;
  /** The base with these adapters: full parameters, differentiable in the adapters. */
  merge(adapters: Params): Params;
  /** For `paramBytes(adapters, { metadata })`, so that `loadLora` knows how to merge what it reads. */
  readonly metadata: Record<string, string>;
}

type Shapes = Readonly<Record<string, Shape>>;
type Factor = { name: string; shape: Shape };
interface Target {
  left: Factor;
  right: Factor;
}
interface Plan {
  targets: Map<string, Target>;
  also: string[];
  scalars: Readonly<Record<string, number>>;
  scale: number;
}

const listOf = (patterns: RegExp | readonly RegExp[] = []) => (patterns instanceof RegExp ? [patterns] : patterns);
// search, not test: a pattern with the flag g would remember where it stopped
const found = (patterns: readonly RegExp[], name: string) => patterns.some((p) => name.search(p) >= 0);
const layerOf = (name: string) => name.slice(0, Math.max(0, name.lastIndexOf(".")));
const FACTOR = /^(?:(.+)\.)?parametrizations\.([^.]+)\.0\.lora_[AB]$/;
/** Names as torch's parametrizations give them. */
const factorName = (name: string, factor: "A" | "B") => {
  const layer = layerOf(name);
  const field = name.slice(layer ? layer.length + 1 : 0);
  return `${layer && `${layer}.`}parametrizations.${field}.0.lora_${factor}`;
};

/** The name of a parameter in a file that torch's parametrizations wrote, without them: for `loadParams`' rename. */
export const unparametrised = (name: string): string =>
  name.replace(/(^|\.)parametrizations\.([^.]+)\.original$/, "$1$2");

function plan(base: Shapes, { rank, alpha = rank, match, init = "standard", also, scalars = {} }: LoraOptions): Plan {
  if (!Number.isInteger(rank) || rank < 1)
    throw new RangeError(`lora: the rank must be a whole number from 1 up, got ${rank}`);
  if (!Number.isFinite(alpha)) throw new RangeError(`lora: alpha must be a number, got ${alpha}`);
  if (init !== "standard" && init !== "ud2m")
    throw new TypeError(`lora: init must be "standard" or "ud2m", got ${init}`);
  const targets = new Map<string, Target>();
  const hits = new Set<RegExp>();
  const [matches, fulls] = [listOf(match), listOf(also)];
  for (const [name, shape] of Object.entries(base)) {
    if (shape.length < 2 || !found(matches, layerOf(name))) continue;
    for (const p of matches) if (found([p], layerOf(name))) hits.add(p);
    const [O, I] = [shape[0] as number, sizeOf(shape.slice(1))]; // a kernel is a matrix of its outputs by all else
    const [left, right] = init === "ud2m" ? (["A", "B"] as const) : (["B", "A"] as const);
    targets.set(name, {
      left: { name: factorName(name, left), shape: [O, rank] },
      right: { name: factorName(name, right), shape: [rank, I] },
    });
  }
  const full = Object.keys(base).filter((name) => found(fulls, name));
  for (const p of fulls) if (full.some((name) => found([p], name))) hits.add(p);
  const idle = [...matches, ...fulls].filter((p) => !hits.has(p));
  if (idle.length || !matches.length)
    throw new WeightsError(
      `lora: expected layers that match ${idle.join(", ") || "some pattern"}, got none among ${Object.keys(base).length} parameters (${Object.keys(base).slice(0, 3).join(", ")}, …)`,
    );
  const both = full.filter((name) => targets.has(name));
  if (both.length) throw new TypeError(`lora: ${both.join(", ")}: adapted by match and trained in full by also`);
  const taken = Object.keys(scalars).filter((name) => Object.hasOwn(base, name));
  if (taken.length) throw new TypeError(`lora: scalars may not have the names of parameters: ${taken.join(", ")}`);
  return { targets, also: full, scalars, scale: alpha / rank };
}

const shapesIn = ({ targets, also, scalars }: Plan, base: Shapes): Record<string, Shape> => ({
  ...Object.fromEntries(
    [...targets.values()].flatMap(({ left, right }) => [left, right].map((f) => [f.name, f.shape])),
  ),
  ...Object.fromEntries(also.map((name) => [name, base[name] as Shape])),
  ...Object.fromEntries(Object.keys(scalars).map((name) => [name, [1]])),
});

/** Names and shapes of what would be trained. Allocates nothing. */
export const loraShapes = (base: Shapes, options: LoraOptions): Record<string, Shape> =>
  shapesIn(plan(base, options), base);

const shapesOf = (params: Params): Shapes =>
  Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, shape]));

/** The function from adapters to full parameters. What no pattern matches passes through, the base's own tensors. */
export function loraMerge(base: Params, options: LoraOptions): (adapters: Params) => Params {
  const { targets, also, scale } = plan(shapesOf(base), options);
  const full = new Set(also);
  return (adapters) => {
    const of = (name: string): Tensor => {
      const t = adapters[name];
      if (!t) throw new WeightsError(`lora: merge expects the adapters that lora gave, ${name} is missing`);
      return t;
    };
    const merged = (name: string, W: Tensor): Tensor => {
      if (full.has(name)) return cast(of(name), W.dtype);
      const target = targets.get(name);
      if (!target) return W;
      // in f32 up to the sum: a small update must not be rounded before it meets its weight
      const [left, right] = [target.left, target.right].map((f) => cast(of(f.name), "f32")) as [Tensor, Tensor];
      const update = reshape(matmul(left, right), W.shape);
      return cast(lincomb(1, cast(W, "f32"), scale, update), W.dtype);
    };
    return Object.fromEntries(Object.entries(base).map(([name, W]) => [name, scope(() => merged(name, W))]));
  };
}

/**
 * Low-rank adapters [Hu 2021]: W' = W + (alpha / r) B A for some layers W [O, …] of a base that stays as it is, seen as
 * O rows, B [O, r], A [r, I]. No layer knows of it: `merge` makes full parameters of adapters, and a network runs on those.
 *   standard   B = 0, A uniform in +-1/sqrt(I): the adapted network begins as the base
 *   ud2m       W + (alpha / r) A B, A [O, r] and B [r, I] normal of variance 2/(rows + columns)
 * Adapters are f32 whatever the base is stored in, and belong to the caller; the base is read at each merge.
 */
export function lora(base: Params, options: LoraOptions): Lora {
  const { rank, alpha = rank, init = "standard", rng = seededRng(0) } = options;
  const shapes = shapesOf(base);
  const p = plan(shapes, options);
  const made = flat(shapesIn(p, shapes));
  const fill = ({ name, shape }: Factor, draw: () => number) =>
    upload(made.tree[name] as Tensor, Float32Array.from({ length: sizeOf(shape) }, draw));
  const xavier = ({ shape: [rows, columns] }: Factor) => {
    const std = Math.sqrt(2 / ((rows as number) + (columns as number)));
    return () => std * rng.gaussian();
  };
  for (const { left, right } of p.targets.values()) {
    const bound = 1 / Math.sqrt(right.shape[1] as number);
    fill(left, init === "ud2m" ? xavier(left) : () => 0);
    fill(right, init === "ud2m" ? xavier(right) : () => bound * (2 * rng.number() - 1));
  }
  for (const name of p.also) scope(() => copyBuffer(cast(base[name] as Tensor, "f32"), made.tree[name] as Tensor));
  for (const [name, value] of Object.entries(p.scalars)) upload(made.tree[name] as Tensor, [value]);
  return together(base, made, { ...options, rank, alpha, init });
}

function together(base: Params, made: Flat, options: LoraOptions & { alpha: number; init: LoraInit }): Lora {
  const { rank, alpha, init } = options;
  return {
    adapters: made.tree,
    flat: made,
    merge: loraMerge(base, options),
    metadata: { rank: `${rank}`, alpha: `${alpha}`, scaling: `${alpha / rank}`, init },
  };
}

/**
 * Adapters from a file, for the base that they were trained on. Rank, alpha and init come from its metadata; a file of
 * UD2M's own names, which has none, wants `alpha` (1.5 there).
 */
export function loadLora(base: Params, file: SafetensorsFile, given: { alpha?: number; init?: LoraInit } = {}): Lora {
  const { metadata } = file;
  const init = given.init ?? (metadata.init as LoraInit | undefined) ?? "ud2m";
  const names = new Set<string>();
  for (const name of file.names) {
    const [, layer, field] = FACTOR.exec(name) ?? [];
    if (field) names.add(layer ? `${layer}.${field}` : field);
  }
  const first = [...names][0];
  if (first === undefined)
    throw new WeightsError(`loadLora: expected tensors named …parametrizations.weight.0.lora_A, got none`);
  const rank = Number(metadata.rank ?? file.entry(factorName(first, init === "ud2m" ? "B" : "A")).shape[0]);
  const alpha = given.alpha ?? Number(metadata.alpha);
  if (!Number.isFinite(alpha))
    throw new WeightsError("loadLora: the file does not say its alpha; pass { alpha } (UD2M: 1.5)");
  const shapes = shapesOf(base);
  const lost = [...names].filter((name) => !Object.hasOwn(shapes, name));
  if (lost.length)
    throw new WeightsError(
      `loadLora: ${lost.length} adapted layers are not in the base (${lost.slice(0, 5).join(", ")})`,
    );
  const exactly = (list: readonly string[]) => list.map((name) => new RegExp(`^${escaped(name)}$`));
  const one = (name: string) => file.entry(name).shape.length === 1 && file.entry(name).shape[0] === 1;
  const options = {
    rank,
    alpha,
    init,
    match: exactly([...names].map(layerOf)),
    also: exactly(file.names.filter((name) => Object.hasOwn(shapes, name))),
    scalars: Object.fromEntries(
      file.names.filter((n) => !FACTOR.test(n) && !Object.hasOwn(shapes, n) && one(n)).map((n) => [n, 0]),
    ),
  };
  const wanted = loraShapes(shapes, options);
  const made = scope(() => {
    const into = flat(wanted);
    for (const [name, t] of Object.entries(loadParams("loadLora", wanted, file)))
      copyBuffer(t, into.tree[name] as Tensor);
    return into;
  });
  return together(base, made, options);
}

const escaped = (name: string) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
