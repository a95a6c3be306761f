/** What the recognisers of all families share: names and shapes in, a guess out. */
import { WeightsError } from "./errors.ts";
import type { Shape } from "./tensor/shape.ts";

/** The shape of each tensor of a file, by name. */
export type Shapes = Readonly<Record<string, Shape>>;
/** Arguments of an official constructor, by its own names. */
export type Config = Readonly<Record<string, unknown>>;

export interface Guess {
  /** The class of the official code. */
  readonly architecture: string;
  readonly config: Config;
  /** Arguments that no tensor shows, and why their value was taken: that of the published files. */
  readonly assumed: Readonly<Record<string, string>>;
  /** Arguments that change what comes out, and that neither tensors nor published files decide. */
  readonly open: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

export interface Family {
  readonly title: string;
  /** Names of tensors without which it is another network. */
  readonly marks: readonly RegExp[];
  /** What its names look like: for telling the nearest. */
  readonly looks: RegExp;
  /** A prefix that some files of this family leave out. */
  readonly adds?: string;
  infer(shapes: Shapes): Guess;
}

/** A tensor that the inference stands on. */
export function at(shapes: Shapes, name: string): Shape {
  const shape = shapes[name];
  if (!shape) throw new WeightsError(`expected a tensor ${name}, there is none`);
  return shape;
}

/** One axis of a tensor that the inference stands on. */
export function axis(shapes: Shapes, name: string, i: number): number {
  const n = at(shapes, name)[i];
  if (n === undefined) throw new WeightsError(`expected ${name} to have ${i + 1} axes or more, got [${shapes[name]}]`);
  return n;
}

/** How many numbers 0, 1, 2, … follow the prefix in some name; a name may say any number, and is not believed. */
export function count(shapes: Shapes, prefix: string): number {
  const found = new Set<number>();
  for (const name of Object.keys(shapes))
    if (name.startsWith(prefix)) {
      const digits = /^\d+/.exec(name.slice(prefix.length))?.[0];
      if (digits) found.add(Number(digits));
    }
  const top = [...found].reduce((a, b) => Math.max(a, b), -1) + 1;
  if (top <= 2 * found.size + 8) return top; // a few may be missing
  let n = 0;
  while (found.has(n)) n++;
  return n;
}

export const has = (shapes: Shapes, pattern: RegExp): boolean => Object.keys(shapes).some((name) => pattern.test(name));

/** The first capture of the first name that matches. */
export const capture = (shapes: Shapes, pattern: RegExp): string | undefined => {
  for (const name of Object.keys(shapes)) {
    const found = pattern.exec(name);
    if (found) return found[1];
  }
  return undefined;
};

export const guess = (architecture: string, config: Config, more: Partial<Guess> = {}): Guess => ({
  architecture,
  config,
  assumed: {},
  open: {},
  notes: [],
  ...more,
});
