import { capturing } from "../gpu/open.ts";

/**
 * Numbers that a plan takes anew at each call. Inside a plan they look like arrays, of which only the length may be
 * read: `map`, `slice` and `computed` give further ones, which can be uploaded; the plan remembers how they were made,
 * and makes and uploads them again at each call. Anything else would be a number of one call, kept for all, and throws.
 */
const origins = new WeakMap<object, () => ArrayLike<number>>();

/** How to make these numbers again, if they are such. */
export const renewal = (numbers: ArrayLike<number>): (() => ArrayLike<number>) | undefined => origins.get(numbers);

/** f of the numbers; where they are a plan's, anew at each call. For host work between numbers and an upload. */
export function computed<T extends ArrayLike<number>>(
  numbers: readonly number[],
  f: (numbers: readonly number[]) => T,
): T {
  const again = origins.get(numbers);
  return again ? given(() => f(again() as readonly number[])) : f(numbers);
}

/** Numbers that are the same at every call, so that a plan may upload them: tables and the like. */
export const fixed = <T extends ArrayLike<number>>(numbers: T): T => (capturing() ? given(() => numbers) : numbers);

/** Stands for what `read` gives. */
export function given<T extends ArrayLike<number>>(read: () => T): T {
  const { length } = read();
  const list = () => Array.from(read());
  const known: Record<PropertyKey, unknown> = {
    length,
    map: (f: (value: number, i: number) => number) => given(() => list().map((value, i) => f(value, i))),
    slice: (from?: number, to?: number) => given(() => list().slice(from, to)),
  };
  const refuse = (name: string | symbol): never => {
    throw new TypeError(
      `plan: a number that it is given anew at each call is read inside (${String(name)}), and would be kept; use map or computed() and upload what comes of it`,
    );
  };
  const mine = new Proxy<object>([], {
    get: (_, name) => (Object.hasOwn(known, name) ? known[name] : refuse(name)),
    has: (_, name) => refuse(name),
    ownKeys: () => refuse("keys"),
  });
  origins.set(mine, read);
  return mine as T;
}
