import { leaves, scope } from "../tensor/scope.ts";

/** Frees the tensors of `old` that `next` does not carry on, save those of `spare`. */
export function replaceState(old: unknown, next: unknown, spare: unknown = []): void {
  const kept = new Set([...leaves(next), ...leaves(spare)]);
  for (const t of leaves(old)) if (!kept.has(t)) t.dispose();
}

/** f applied n times. Each state is freed once the next is recorded; the first stays the caller's. */
export function iterate<T>(n: number, first: T, f: (state: T, k: number) => T): T {
  let state = first;
  for (let k = 0; k < n; k++) {
    const next = scope(() => f(state, k));
    replaceState(state, next, first);
    state = next;
  }
  return state;
}
