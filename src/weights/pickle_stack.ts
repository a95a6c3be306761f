import { WeightsError } from "../errors.ts";
import type { Cursor } from "./cursor.ts";
import { harmful } from "./globals.ts";
import { is, type Value, words } from "./values.ts";

const MAX_MARKS = 1000;
/** JavaScript's memory for what a pickle asks for: it must stay in proportion to the file. */
const ALLOWANCE = 1 << 25;
const PER_BYTE = 5;

/** What the pickles of one file may still take. */
export interface Budget {
  left: number;
}
export const budgetOf = (bytes: number): Budget => ({ left: ALLOWANCE + PER_BYTE * bytes });

/** The stack, marks and memo of a pickle being read, and the memory it has taken. Costs are rough, in bytes. */
export class PickleStack {
  readonly #cursor: Cursor;
  readonly #memo = new Map<number, Value>();
  readonly #marks: Value[][] = [];
  #stack: Value[] = [];
  readonly budget: Budget;

  constructor(cursor: Cursor, budget = budgetOf(cursor.source.size)) {
    this.#cursor = cursor;
    this.budget = budget;
  }

  fail(why: string): never {
    throw new WeightsError(`${this.#cursor.source.name}: not a pickle we read: ${why} (byte ${this.#cursor.at})`);
  }
  spend(bytes: number): void {
    if ((this.budget.left -= bytes) < 0) this.fail("it unfolds to far more than its size");
  }
  push(value: Value, cost = 16): void {
    this.spend(cost);
    this.#stack.push(value);
  }
  pop(): Value {
    if (!this.#stack.length) this.fail("its stack is empty");
    return this.#stack.pop() as Value;
  }
  top(): Value {
    if (!this.#stack.length) this.fail("its stack is empty");
    return this.#stack.at(-1) as Value;
  }
  mark(): void {
    if (this.#marks.length >= MAX_MARKS) this.fail("it is nested too deep");
    this.spend(64);
    this.#marks.push(this.#stack);
    this.#stack = [];
  }
  popMark(): Value[] {
    const items = this.#stack;
    this.#stack = this.#marks.pop() ?? this.fail("a mark is missing");
    return items;
  }
  /** What is left at the end. */
  last(): Value {
    if (this.#marks.length || this.#stack.length !== 1) this.fail("it stops with a full stack");
    return this.pop();
  }

  put(index = this.#memo.size): void {
    this.spend(48);
    this.#memo.set(index, this.top());
  }
  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.fail(`it recalls ${index}, which it never kept`);
    this.push(value as Value);
  }

  /** Sets keys and values, one after the other, on the dictionary at the top. */
  set(items: readonly Value[]): void {
    const of = this.top();
    const map = of instanceof Map ? of : is(of, "opaque") ? (of.entries ??= new Map()) : undefined;
    if (!map) this.fail("items are set on what is no dictionary");
    if (items.length % 2) this.fail("a key has no value");
    this.spend(40 * items.length);
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i] as Value;
      if (map.has(key)) this.fail(`the key ${JSON.stringify(words(key).slice(0, 80))} comes twice`);
      map.set(key, items[i + 1] as Value);
    }
  }
  append(items: readonly Value[]): void {
    const of = this.top();
    this.spend(8 * items.length);
    if (Array.isArray(of)) for (const item of items) of.push(item);
    else if (!is(of, "opaque")) this.fail("items are appended to what is no list");
  }
  add(items: readonly Value[]): void {
    const of = this.top();
    this.spend(40 * items.length);
    if (of instanceof Set) for (const item of items) of.add(item);
    else if (!is(of, "opaque")) this.fail("items are added to what is no set");
  }
  name(module: Value, symbol: Value): void {
    if (typeof module !== "string" || typeof symbol !== "string" || module.length + symbol.length > 1000)
      this.fail("it imports what is no name");
    const full = `${module.replace(/^__builtin__$/, "builtins")}.${symbol}`;
    if (harmful(full))
      throw new WeightsError(
        `${this.#cursor.source.name}: refused: its pickle names ${full.slice(0, 80)}, which no weights need; nothing of it was run`,
      );
    this.push({ kind: "global", name: full }, 64 + 2 * full.length);
  }
  build(): void {
    const state = this.pop();
    const of = this.top();
    // an OrderedDict's attributes (_metadata) say nothing of its items
    if (is(of, "opaque")) of.state = state;
    else if (!(of instanceof Map)) this.fail("it sets the state of what has none");
  }
}
