import { adopt, detached, scope } from "./scope.ts";
import type { Part, Tensor } from "./tensor.ts";

export type Maybe = Tensor | undefined;
export interface OpSpec<O> {
  name: string;
  /** Runs without being recorded, in a scope. `saved` is what the gradient needs; a tape that wants it keeps it. */
  forward(inputs: readonly Tensor[], options: O): { out: Tensor; saved?: readonly Maybe[] };
  /**
   * Cotangents of the inputs, from that of the output: null or undefined where there is none. `needs[i]` says whether
   * anyone wants the i-th. Written in ops, the rule can be differentiated again.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the rule knows which of its saved tensors are there
  vjp?(dy: Tensor, saved: any, options: O, needs: readonly boolean[]): (Tensor | null | undefined)[];
  /** The rule calls raw kernels, so it cannot be differentiated again, and says so when asked. */
  firstOrder?: boolean;
}

interface Entry {
  readonly name: string;
  readonly inputs: readonly Maybe[];
  readonly out: Tensor;
  readonly saved: readonly Maybe[];
  readonly needs: readonly boolean[];
  pull(dy: Tensor, needs: readonly boolean[]): (Tensor | null | undefined)[];
}

/** What was done to some tensors, so that it can be undone. Holds what the gradient rules saved, until disposed. */
export class Tape {
  readonly tracked = new Set<Tensor>();
  readonly entries: Entry[] = [];
  disposed = false;
  constructor(xs: readonly Tensor[]) {
    for (const x of xs) this.tracked.add(x);
    adopt(this);
  }
  add(entry: Entry): void {
    this.tracked.add(entry.out);
    for (const t of entry.saved) t?.hold();
    this.entries.push(entry);
  }
  /** Removes the last entry, and lets go of what it saved. */
  drop(): void {
    for (const t of this.entries.pop()?.saved ?? []) t?.letGo();
  }
  dispose(): void {
    while (this.entries.length) this.drop();
    this.tracked.clear();
    this.disposed = true;
  }
}

let active: readonly Tape[] = [];
type Watcher = (out: Tensor, name: string) => Tensor | undefined;
let watcher: Watcher | undefined;

/** Runs f, showing `watch` what each op gives; what it returns, if anything, takes the result's place. */
export function watched<T>(watch: Watcher, f: () => T): T {
  const outer = watcher;
  watcher = watch;
  try {
    return f();
  } finally {
    watcher = outer;
  }
}
/** Whether anyone follows what ops do: a tape, for a gradient, or a watcher. What is not made by ops would be lost to them. */
export const followed = (): boolean => active.length > 0 || watcher !== undefined;

/** The watcher's word on a result; what it does itself is not shown to it. */
function shown(out: Tensor, name: string): Tensor {
  const watch = watcher;
  if (!watch) return out;
  watcher = undefined;
  try {
    return constant(() => watch(out, name)) ?? out;
  } finally {
    watcher = watch;
  }
}

/** Makes a differentiable function of tensors from its forward pass and its gradient rule. */
export function op<O = object>(spec: OpSpec<O>): (inputs: readonly Maybe[], options: O) => Tensor {
  const { name } = spec;
  const pull = (saved: readonly Maybe[], options: O) => (dy: Tensor, needs: readonly boolean[]) => {
    if (!spec.vjp) throw new TypeError(`${name}: it has no gradient rule; wrap it in constant() if none is wanted`);
    const rule = spec.vjp;
    if (!spec.firstOrder) return rule(dy, saved, options, needs);
    const grads = constant(() => rule(dy, saved, options, needs));
    for (const tape of active) {
      const from = [dy, ...saved].filter((t) => t && tape.tracked.has(t));
      if (!from.length) continue;
      for (const out of grads)
        if (out) tape.add({ name, inputs: from, needs: from.map(() => true), out, saved: [], pull: () => twice(name) });
    }
    return grads;
  };
  return (inputs, options) => {
    return scope(() => {
      const { out: made, saved = [] } = constant(() => spec.forward(inputs as readonly Tensor[], options));
      const { op: kind } = options as { op?: unknown };
      const out = shown(made, typeof kind === "string" ? `${name} ${kind}` : name);
      for (const tape of active) {
        const needs = inputs.map((t) => t !== undefined && tape.tracked.has(t));
        if (!needs.includes(true)) continue;
        tape.add({ name, inputs, out, saved, needs, pull: pull(saved, options) });
      }
      return out;
    });
  };
}
const twice = (name: string): never => {
  throw new TypeError(
    `${name}: its gradient rule is a fused kernel and cannot be differentiated again; use the form written in ops`,
  );
};

/** Runs f in a scope, recording what it does to xs: of what f makes, its value stays, and what gradient rules saved. */
export function record<T>(xs: readonly Tensor[], f: () => T): { value: T; tape: Tape } {
  const outer = active;
  const tape = new Tape(xs);
  active = [...outer, tape];
  try {
    return { value: scope(f), tape };
  } catch (error) {
    tape.dispose();
    throw error;
  } finally {
    active = outer;
  }
}

/** Runs f without recording: to every enclosing vjp its result is a constant. */
export function constant<T>(f: () => T): T {
  if (!active.length) return f();
  const outer = active;
  active = [];
  try {
    return f();
  } finally {
    active = outer;
  }
}

/**
 * What is derived from t's contents alone (a packed form, say): made once, kept with t, freed with it. `part` says that
 * some of the contents can be written back from it, so that a frugal tensor need not keep them twice.
 */
export const derived = (t: Tensor, key: string, make: () => Tensor, part?: Part): Tensor =>
  t.derivedFrom(key, () => detached(() => constant(() => scope(make))), part);
