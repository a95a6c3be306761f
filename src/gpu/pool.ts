import { GpuError } from "../errors.ts";
import type { Capture } from "./capture.ts";

/** A buffer of the pool. `bytes` is its class, not what was asked. */
export interface Block {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
  /** Writes in place, and times that it was freed: whoever reads it later can tell that it is not what it was. */
  version: number;
  frees: number;
  /** The capture that it stands for a buffer of. */
  readonly capture?: Capture;
  /** The interval between two trims in which it was last handed out. */
  used: number;
}

// STORAGE | COPY_SRC | COPY_DST
const USAGE = 0x80 | 0x4 | 0x8;
/** Free bytes beyond which the pool gives memory back. */
const KEEP = 1 << 30;

/**
 * Buffers, reused. A freed block may be handed out again at once: commands run in the order they were recorded,
 * so its next writer comes after its last reader. Sizes are rounded up to eight classes per doubling.
 */
export class Pool {
  live = 0;
  /** Of the blocks handed out, by their class: up to an eighth more than was asked. */
  liveBytes = 0;
  /** The most that `liveBytes` has been. */
  peakBytes = 0;
  /** Held for reuse. */
  freeBytes = 0;
  /** The most that `liveBytes + freeBytes` has been: buffers of the device, whoever has them. */
  peakHeldBytes = 0;
  /** When there is one, blocks are its own, without buffers. */
  capture: Capture | undefined;
  readonly #device: GPUDevice;
  readonly #free = new Map<number, Block[]>();
  #next = 1;
  #interval = 0;

  /** Bytes of the largest buffer that may be asked for. */
  readonly largest: number;

  constructor(device: GPUDevice, most = Number.POSITIVE_INFINITY) {
    this.#device = device;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    this.largest = Math.min(most, maxStorageBufferBindingSize, maxBufferSize);
  }

  /** `exact`: for what is kept long. A new buffer is not rounded up, and one that is free may be half as large again. */
  alloc(wanted: number, { exact = false } = {}): Block {
    const allowed = this.largest;
    if (wanted > allowed)
      throw new GpuError(
        `tensor: ${wanted} bytes wanted, this adapter binds at most ${allowed}; use tiles or a smaller batch`,
        {
          name: "maxStorageBufferBindingSize",
          wanted,
          allowed,
        },
      );
    if (this.capture) return this.capture.alloc(wanted);
    const rounded = exact ? this.#fitting(Math.ceil(wanted / 256) * 256) : sizeClass(wanted);
    const bytes = Math.min(rounded, allowed - (allowed % 4));
    this.live++;
    let block = this.#free.get(bytes)?.pop();
    if (block) this.freeBytes -= bytes;
    else {
      const buffer = this.#device.createBuffer({ label: `${bytes} bytes`, size: bytes, usage: USAGE });
      block = { id: this.#next++, buffer, bytes, version: 0, frees: 0, used: 0 };
    }
    this.liveBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    this.peakHeldBytes = Math.max(this.peakHeldBytes, this.liveBytes + this.freeBytes);
    block.used = this.#interval;
    return block;
  }

  /** The size of the smallest free block that fits, if there is one. */
  #fitting(bytes: number): number {
    let best = 1.5 * bytes;
    let found = bytes;
    for (const [size, list] of this.#free)
      if (list.length && size >= bytes && size <= best) [best, found] = [size, size];
    return found;
  }

  /** What to say when the device has no more memory: it tells afterwards, and not how much was asked. */
  exhausted(): GpuError {
    return new GpuError(
      `tensor: no memory for more; ${this.liveBytes} bytes are wanted at once, ${this.freeBytes} kept for reuse; use tiles or a smaller batch`,
    );
  }

  free(block: Block): void {
    block.frees++;
    if (block.capture) return;
    this.live--;
    this.liveBytes -= block.bytes;
    this.freeBytes += block.bytes;
    const list = this.#free.get(block.bytes);
    if (list) list.push(block);
    else this.#free.set(block.bytes, [block]);
  }

  /**
   * When much is free, destroys the buffers that nobody wanted since the last call: those that each step of a loop
   * uses stay. Only while nothing is recorded. Returns whether any went.
   */
  trim(): boolean {
    const unused = this.#interval++;
    if (this.freeBytes <= KEEP) return false;
    const before = this.freeBytes;
    for (const [bytes, list] of this.#free) {
      const kept = list.filter((block) => block.used >= unused);
      for (const block of list)
        if (block.used < unused) {
          block.buffer.destroy();
          this.freeBytes -= bytes;
        }
      this.#free.set(bytes, kept);
    }
    return this.freeBytes < before;
  }
}

function sizeClass(bytes: number): number {
  if (bytes <= 4096) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
