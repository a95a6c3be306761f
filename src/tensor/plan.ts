import { ProxelError, ShapeError } from "../errors.ts";
import { Capture, touched } from "../gpu/capture.ts";
import { gpu } from "../gpu/open.ts";
import type { Block } from "../gpu/pool.ts";
import type { Command } from "../gpu/recording.ts";
import { Replay } from "../gpu/replay.ts";
import { given } from "./given.ts";
import { followed } from "./op.ts";
import { detached, mapTree, scope } from "./scope.ts";
import { empty, Tensor } from "./tensor.ts";

/** What a plan is given anew at each call: trees of tensors and of arrays of numbers. */
export type PlanInput = Tensor | readonly number[] | readonly PlanInput[] | { readonly [key: string]: PlanInput };

export interface Plan<A extends readonly PlanInput[], O> extends Disposable {
  /** What fn would return, in new tensors. Under a tape, for a gradient, and inside another plan it is fn itself. */
  (...inputs: A): O;
  readonly dispatches: number;
  /** Something that it reads from outside was freed or written over, so that calls throw. */
  readonly stale: boolean;
  /** Of device memory, held until it is disposed: inputs, intermediates, outputs. Weights are not its own. */
  readonly bytes: number;
  dispose(): void;
}

type Write = Extract<Command, { kind: "write" }> & { renew(): Uint8Array };

/**
 * fn, run once to see what it asks of the GPU, and from then on repeated without running it: new inputs are copied in,
 * outputs out, and between them are the same dispatches on the same buffers, as few as the lifetimes allow.
 *
 * fn is a function of its inputs and nothing else: tensors of these shapes, and arrays of numbers (noise labels,
 * classes), of which it may make others by `map` and `computed` and upload those; they are made and uploaded anew at
 * each call. What else it uses stays as it is at the capture: the weights, whose change or end makes calls throw.
 * A capture throws where a call would depend on more: numbers read or uploaded, random draws, writes to outer tensors.
 */
export function plan<A extends readonly PlanInput[], O>(fn: (...inputs: A) => O, inputs: A): Plan<A, O> {
  const expected = inputs.flatMap(argument);
  const on = expected.map(({ leaf }) => leaf).find((leaf) => leaf instanceof Tensor)?.storage.gpu ?? gpu();
  on.check();
  if (on.capture || followed())
    throw new TypeError("plan: it is made inside another plan or a gradient; make it outside and call it there");

  const capture = new Capture();
  const numbers = new Map<string, readonly number[]>();
  const places: Tensor[] = [];
  const place = ({ at, leaf }: Leaf) => {
    if (leaf instanceof Tensor) {
      const t = empty(leaf.shape, leaf.dtype, on);
      places.push(t);
      return t;
    }
    numbers.set(at, leaf);
    return given(() => numbers.get(at) as readonly number[]);
  };
  const out = detached(() =>
    on.capturing(capture, () =>
      scope(() => fn(...(inputs.map((input, i) => replaced(input, place, `inputs[${i}]`)) as unknown as A))),
    ),
  );
  const results = [...new Set(resultsOf(out))];
  const writes = uploads(capture);
  const foreign = capture.foreign();
  for (const t of results) if (!blockOf(t).capture) foreign.add(t.bound().block);
  const versions = [...foreign].map((block) => ({ block, version: block.version, frees: block.frees }));

  const slots = capture.slots([...places.map(blockOf), ...writes.map(({ to }) => to as Block)], results.map(blockOf));
  const held = slots.map(({ bytes, blocks }) => {
    const block = on.pool.alloc(bytes, { exact: true });
    for (const mine of blocks) mine.buffer = block.buffer;
    return block;
  });
  const replay = new Replay(on.device, on.pipelines, capture.commands);
  const copy = (from: Block, fromOffset: number, to: Block, { bytes }: { bytes: number }) =>
    on.recording.add({ kind: "copy", from, fromOffset, to, toOffset: 0, bytes: Math.ceil(bytes / 4) * 4 });
  const sources = [...capture.sources];
  const changed = (): string | undefined => {
    if (versions.some(({ block, frees }) => block.frees !== frees)) return "freed";
    const over = versions.some(({ block, version }) => block.version !== version);
    return over || sources.some(([source, version]) => source.version !== version) ? "written over" : undefined;
  };
  let open = true;

  const call = (...args: A): O => {
    if (!open) throw new ProxelError("plan: it was disposed; make it again");
    on.check();
    if (on.capture || followed()) return fn(...args);
    const now = args.flatMap(argument);
    fits(expected, now);
    const other = changed();
    if (other)
      throw new ShapeError(
        `plan: a tensor that it reads, a network's weights perhaps, was ${other} since; make the plan again`,
      );
    for (const { at, leaf } of now) if (!(leaf instanceof Tensor)) numbers.set(at, leaf);
    const renewed = writes.map((write) => ({ ...write, data: write.renew() }));
    const tensors = now.flatMap(({ leaf }) => (leaf instanceof Tensor ? [leaf.bound()] : []));
    tensors.forEach((t, i) => copy(t.block, t.offset, blockOf(places[i] as Tensor), t));
    for (const write of renewed) on.recording.add(write);
    on.recording.add({ kind: "replay", replay });
    const copies = new Map(results.map((t) => [t, empty(t.shape, t.dtype, on)]));
    for (const [t, mine] of copies) copy(blockOf(t), t.offset, blockOf(mine), t);
    return mapTree(out, (t) => copies.get(t));
  };
  const dispose = () => {
    if (!open) return;
    open = false;
    for (const block of held) on.pool.free(block);
    on.recording.submitted().then(
      () => replay.destroy(), // not before the last call is on its way
      () => {},
    );
  };
  const bytes = held.reduce((sum, block) => sum + block.bytes, 0);
  const made = Object.assign(call, { dispatches: replay.dispatches, bytes, dispose, [Symbol.dispose]: dispose });
  return Object.defineProperty(made, "stale", { get: () => changed() !== undefined }) as typeof made & {
    stale: boolean;
  };
}

const blockOf = (t: Tensor): Block => t.storage.block;

/** The uploads of a capture, all of which can be made anew, and before anything else; refuses what a call could not repeat. */
function uploads(capture: Capture): Write[] {
  const writes: Write[] = [];
  const seen = new Set<Block>();
  for (const command of capture.commands) {
    for (const { block, writes: written } of touched(command))
      if (written && block.capture !== capture)
        throw new TypeError("plan: it writes into a tensor from outside; return a new one");
    if (command.kind === "write") {
      if (!command.renew || seen.has(command.to as Block))
        throw new TypeError(
          `plan: ${command.data.length} bytes of numbers are uploaded inside, which would be those of one call for all; give them as inputs`,
        );
      writes.push(command as Write);
    }
    for (const { block } of touched(command)) seen.add(block);
  }
  return writes;
}

interface Leaf {
  readonly at: string;
  readonly leaf: Tensor | readonly number[];
}
const isNumbers = (x: unknown): x is readonly number[] =>
  Array.isArray(x) && x.length > 0 && x.every((v) => typeof v === "number");

const argument = (input: unknown, i: number): Leaf[] => leavesOf(input, `inputs[${i}]`);

function leavesOf(x: unknown, at: string): Leaf[] {
  if (x instanceof Tensor || isNumbers(x)) return [{ at, leaf: x }];
  if (Array.isArray(x)) return x.flatMap((v, i) => leavesOf(v, `${at}[${i}]`));
  if (typeof x === "object" && x !== null) return Object.entries(x).flatMap(([k, v]) => leavesOf(v, `${at}.${k}`));
  throw new TypeError(
    `plan: ${at} expects a tensor or an array of numbers, got ${typeof x}; give a number as [number]`,
  );
}

function replaced(x: unknown, place: (leaf: Leaf) => unknown, at: string): unknown {
  if (x instanceof Tensor || isNumbers(x)) return place({ at, leaf: x });
  if (Array.isArray(x)) return x.map((v, i) => replaced(v, place, `${at}[${i}]`));
  return Object.fromEntries(Object.entries(x as object).map(([k, v]) => [k, replaced(v, place, `${at}.${k}`)]));
}

/** The tensors of what fn returned: anything else in it would be of one call. */
function resultsOf(out: unknown): Tensor[] {
  if (out instanceof Tensor) return [out];
  if (typeof out !== "object" || out === null)
    throw new TypeError(`plan: the function returned ${typeof out} where only tensors change from call to call`);
  return Object.values(out).flatMap(resultsOf);
}

const form = ({ at, leaf }: Leaf): string =>
  `${at} ${leaf instanceof Tensor ? `as ${leaf.dtype} [${leaf.shape}]` : `as ${leaf.length} numbers`}`;

function fits(expected: readonly Leaf[], got: readonly Leaf[]): void {
  for (let i = 0; i < Math.max(expected.length, got.length); i++) {
    const [was, is] = [expected[i], got[i]].map((leaf) => (leaf ? form(leaf) : "no more inputs"));
    if (was !== is) throw new ShapeError(`plan: it was made for ${was}, got ${is}; make another plan for it`);
  }
}
