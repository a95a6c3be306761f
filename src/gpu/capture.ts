import type { Block } from "./pool.ts";
import type { Bound, Command } from "./recording.ts";

/** Stands for a buffer while commands are captured, and gets one when it is known how long it is needed. */
export interface Unplaced extends Block {
  buffer: GPUBuffer;
}
/** A buffer that serves several blocks, one after the other. */
export interface Slot {
  bytes: number;
  readonly blocks: Unplaced[];
}

/** What is asked of the GPU while a function is captured: kept aside, with blocks that have no buffers yet. */
export class Capture {
  readonly commands: Command[] = [];
  /** What lies behind the forms that commands read (packed kernels), and how often it had been written. */
  readonly sources = new Map<{ readonly version: number }, number>();
  readonly #blocks: Unplaced[] = [];

  alloc(bytes: number): Unplaced {
    const block = {
      id: -1 - this.#blocks.length,
      buffer: undefined as unknown as GPUBuffer,
      bytes: Math.ceil(bytes / 256) * 256,
      version: 0,
      frees: 0,
      used: 0,
      capture: this,
    };
    this.#blocks.push(block);
    return block;
  }

  /** Blocks that the commands use and did not make. */
  foreign(): Set<Block> {
    const found = new Set<Block>();
    for (const command of this.commands)
      for (const { block } of touched(command)) if (block.capture !== this) found.add(block);
    return found;
  }

  /**
   * As few bytes of buffers as a greedy rule finds: the largest block first, each into a buffer whose other blocks are
   * all needed before or after it. `first` are needed from the start, `last` to the end. Whole buffers, no offsets: one
   * that a dispatch both reads and writes is a validation error, also in places apart.
   */
  slots(first: Iterable<Block>, last: Iterable<Block>): Slot[] {
    const spans = new Map<Block, { from: number; to: number }>();
    const needed = (block: Block, at: number) => {
      if (block.capture !== this) return;
      const span = spans.get(block);
      if (!span) spans.set(block, { from: at, to: at });
      else [span.from, span.to] = [Math.min(span.from, at), Math.max(span.to, at)];
    };
    for (const block of first) needed(block, -1);
    this.commands.forEach((command, i) => {
      for (const { block } of touched(command)) needed(block, i);
    });
    for (const block of last) needed(block, this.commands.length);

    const slots: (Slot & { spans: { from: number; to: number }[] })[] = [];
    const used = this.#blocks.filter((block) => spans.has(block)).sort((a, b) => b.bytes - a.bytes);
    for (const block of used) {
      const span = spans.get(block) as { from: number; to: number };
      // the smallest that is free for so long: slots were opened from the largest down
      const slot = slots.findLast((s) => s.spans.every(({ from, to }) => to < span.from || span.to < from));
      if (slot) {
        slot.blocks.push(block);
        slot.spans.push(span);
      } else slots.push({ bytes: block.bytes, blocks: [block], spans: [span] });
    }
    return slots;
  }
}

/** The blocks of a command; whether it writes them. */
export function touched(command: Command): { block: Block; writes: boolean }[] {
  if (command.kind === "dispatch")
    return command.bound.map(({ block }: Bound, i) => ({ block, writes: command.pipeline.signature[i] === "w" }));
  if (command.kind === "copy")
    return [
      { block: command.from as Block, writes: false },
      { block: command.to as Block, writes: true },
    ];
  return command.kind === "write" ? [{ block: command.to as Block, writes: true }] : [];
}
