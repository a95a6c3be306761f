/** What the methods of training have in common: how each tells its settings, and what it is given and makes. */
import type { Trainable } from "./catalogue.ts";
import { GpuError } from "./errors.ts";
import { gpu } from "./gpu/open.ts";
import { checkpointed } from "./nets/checkpointed.ts";
import { halved } from "./nets/halved.ts";
import type { Net, Params } from "./nets/net.ts";
import type { Mix } from "./train/data.ts";
import type { Recipe } from "./train/recipe.ts";
import { DECAYS, type Schedule } from "./train/schedule.ts";

export type Value = number | string | boolean | readonly number[];

/** A setting: `value` is its default and says of what kind it is. */
export interface Setting<T extends Value = Value> {
  readonly value: T;
  /** One line of help. */
  readonly about: string;
  /** Numbers: whole ones only, from `min` up (0 where not said). */
  readonly whole?: true;
  readonly min?: number;
  readonly choices?: readonly string[];
}
export type Settings = Readonly<Record<string, Setting>>;

type Widened<T> = T extends number
  ? number
  : T extends boolean
    ? boolean
    : T extends string
      ? string
      : readonly number[];
export type ValuesOf<S extends Settings> = { readonly [K in keyof S]: Widened<S[K]["value"]> };

/** Settings that every method has; a method's `defaults` put its own values in their place. */
export const COMMON = {
  steps: { value: 1000, about: "steps in all", whole: true, min: 1 },
  batch: { value: 8, about: "pictures a step, or a micro-batch", whole: true, min: 1 },
  accumulate: { value: 1, about: "micro-batches a step, their gradients averaged", whole: true, min: 1 },
  size: { value: 64, about: "side of the square crops", whole: true, min: 1 },
  seed: { value: 0, about: "of everything random", whole: true },
  lr: { value: 1e-4, about: "learning rate" },
  lrEnd: { value: 0, about: "where the cosine ends" },
  warmup: { value: 0, about: "steps of linear warm-up", whole: true },
  decay: { value: "cosine", about: "of the learning rate after the warm-up", choices: DECAYS },
  decayEvery: { value: 1000, about: "with --decay step: steps between two decays", whole: true, min: 1 },
  decayBy: { value: 0.1, about: "with --decay step: by what" },
  clip: { value: 1, about: "longest gradient; 0: not clipped" },
  weightDecay: { value: 0, about: "decoupled, as AdamW" },
  ema: { value: 0.999, about: "decay of the averaged parameters" },
  every: { value: 20, about: "steps between two lines of the log", whole: true, min: 1 },
  save: { value: 200, about: "steps between two checkpoints", whole: true, min: 1 },
  sheets: { value: 0, about: "steps between two sheets of pictures; 0: none", whole: true },
} as const satisfies Settings;
export type Common = ValuesOf<typeof COMMON>;

/** Of methods that take them: how their networks are run for the gradient. */
export const THRIFT = {
  checkpoint: {
    value: false,
    about: "blocks run again for the gradient: about a third of the activations, a third more time",
  },
  half: { value: false, about: "activations and weights as halves, their masters in f32, the loss scaled" },
} as const satisfies Settings;

/** A network run so. */
export function thrifty(net: Net, { checkpoint, half }: ValuesOf<typeof THRIFT>): Net {
  if (half && !gpu().f16)
    throw new GpuError("train: --half wants an adapter with shader-f16, and this one has none; leave it out", {
      ...{ name: "shader-f16", wanted: 1, allowed: 0 },
    });
  const light = checkpoint ? checkpointed(net) : net;
  return half ? halved(light) : light;
}

/** What may be told anew when a run goes on: the rest decides what it is. */
export const CHANGEABLE: readonly (keyof Common)[] = ["steps", "lr", "lrEnd", "clip", "every", "save", "sheets"];

/** What a method is given beside its settings. It owns none of it. */
export interface Given {
  /** Where pictures come from. */
  readonly data: readonly Mix[];
  /** The network to begin with, if one was named. */
  readonly prior?: Trainable;
}

/** What it makes of them. */
export interface Made {
  // biome-ignore lint/suspicious/noExplicitAny: the trainer hands a recipe its own batches
  readonly recipe: Recipe<any>;
  /** Gradients pass through halves: the trainer is to scale the loss. */
  readonly halves?: boolean;
  /** What it is, in words, for the first line. */
  readonly about: string;
  /** Files of the result by name, of averaged parameters and numbers: what restores pictures, not what resumes. */
  files(params: Params, scalars: Readonly<Record<string, number>>): Promise<Record<string, Uint8Array>>;
  /** Frees what the recipe holds. */
  dispose?(): void;
}

/** A method of training by its name, for the command line and for a page. */
export interface Method<S extends Settings = Settings> {
  /** One line. */
  readonly about: string;
  /** Its own settings. */
  readonly settings: S;
  /** Of the common settings, where the method's differ. */
  readonly defaults?: Partial<Common>;
  /** Whether it begins with a network from a file; "wanted": without one it takes the shipped prior. */
  readonly prior: "wanted" | "optional" | "none";
  /** What `--data` is, where it is not pictures. */
  readonly data?: string;
  make(values: ValuesOf<S> & Common, given: Given): Made | Promise<Made>;
}

/** Lets TypeScript see the settings' types inside `make`. */
export const method = <const S extends Settings>(m: Method<S>): Method => m as unknown as Method;

/** All settings of a method with their defaults. */
export const settingsOf = ({ settings, defaults = {} }: Method): Record<string, Setting> => ({
  ...Object.fromEntries(
    Object.entries(COMMON).map(([name, s]) => [name, { ...s, value: defaults[name as keyof Common] ?? s.value }]),
  ),
  ...settings,
});

/** Values for all settings: those given, checked, else the defaults. */
export function valuesOf(m: Method, given: Readonly<Record<string, unknown>> = {}): Common & Record<string, Value> {
  const all = settingsOf(m);
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(all, name));
  if (unknown.length)
    throw new TypeError(`train: no setting ${unknown.join(", ")}; there are ${Object.keys(all).join(", ")}`);
  const values = Object.entries(all).map(([name, s]) => [
    name,
    name in given ? checked(name, s, given[name]) : s.value,
  ]);
  return Object.fromEntries(values);
}

export const dashed = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

function checked(name: string, { value, whole, min = 0, choices }: Setting, given: unknown): Value {
  const expects = (what: string) => new RangeError(`train: --${dashed(name)} expects ${what}, got ${given}`);
  const number = (x: unknown) => (typeof x === "string" && x.trim() === "" ? Number.NaN : Number(x));
  if (typeof value === "boolean") return given === true || given === "true";
  if (typeof value === "string") {
    if (choices && !choices.includes(String(given))) throw expects(`one of ${choices.join(", ")}`);
    return String(given);
  }
  if (typeof value === "number") {
    const n = number(given);
    if (Number.isFinite(n) && n >= min && (!whole || Number.isInteger(n))) return n;
    throw expects(`a ${whole ? "whole " : ""}number${min === Number.NEGATIVE_INFINITY ? "" : ` from ${min} up`}`);
  }
  const list = (Array.isArray(given) ? given : String(given).split(",")).map(number);
  if (list.every((n) => Number.isFinite(n) && n >= min && (!whole || Number.isInteger(n)))) return list;
  throw expects(`numbers${min === Number.NEGATIVE_INFINITY ? "" : ` from ${min} up`} with commas between`);
}

export const scheduleOf = ({ steps, lr, lrEnd, warmup, decay, decayEvery, decayBy }: Common): Schedule => ({
  ...{ steps, lr, lrEnd, warmup, decayEvery, decayBy },
  decay: decay as NonNullable<Schedule["decay"]>,
});
