import { Tensor } from "./tensor.ts";

/** Anything that a scope ends: tensors, and tapes. */
interface Owned {
  dispose(): void;
}
const scopes: (Set<Owned> | undefined)[] = [];

/** For what makes tensors or tapes: the innermost scope will free it. */
export function adopt(owned: Owned): void {
  scopes.at(-1)?.add(owned);
}

/** Runs fn; what was made inside is freed, save the tensors in what fn returns, which move to the scope outside. */
export function scope<T>(fn: () => T): T {
  const mine = new Set<Owned>();
  scopes.push(mine);
  let out: T | undefined;
  let done = false;
  try {
    out = fn();
    done = true;
  } finally {
    scopes.pop();
    if (!done) for (const t of mine) t.dispose();
  }
  if (out instanceof Promise) {
    for (const t of mine) t.dispose();
    throw new TypeError("scope: the function returned a promise; scopes are synchronous, read tensors outside");
  }
  if (out instanceof Tensor) {
    if (mine.delete(out)) adopt(out);
  } else for (const t of leaves(out)) if (mine.delete(t)) adopt(t);
  for (const t of mine) t.dispose();
  return out as T;
}

/** Runs fn outside every scope: what it makes belongs to the caller. */
export function detached<T>(fn: () => T): T {
  scopes.push(undefined);
  try {
    return fn();
  } finally {
    scopes.pop();
  }
}

/** A tensor, or arrays and plain objects of trees. Other values may stand in a tree; they are not leaves. */
export type Tree = Tensor | readonly Tree[] | { readonly [key: string]: Tree };

const isPlain = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && Object.getPrototypeOf(x) === Object.prototype;

/** The tensors of a tree, in order. */
export function leaves(x: unknown): Tensor[] {
  if (x instanceof Tensor) return [x];
  if (Array.isArray(x)) return x.flatMap(leaves);
  return isPlain(x) ? Object.values(x).flatMap(leaves) : [];
}

/** The tree with each tensor replaced by what fn makes of it. */
export function mapTree<T>(x: T, fn: (t: Tensor) => unknown): T {
  if (x instanceof Tensor) return fn(x) as T;
  if (Array.isArray(x)) return x.map((v) => mapTree(v, fn)) as T;
  if (isPlain(x)) return Object.fromEntries(Object.entries(x).map(([k, v]) => [k, mapTree(v, fn)])) as T;
  return x;
}

/** Frees every tensor of a tree. */
export function dispose(x: unknown): void {
  for (const t of leaves(x)) t.dispose();
}
