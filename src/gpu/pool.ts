import { GpuError } from "../errors.ts";

/** A buffer of the pool. `bytes` is its class, not what was asked. */
export interface Block {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
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
  readonly #device: GPUDevice;
  readonly #onError: (error: GpuError) => void;
  readonly #free = new Map<number, Block[]>();
  #next = 1;
  #interval = 0;

  /** `onError` hears of it when memory has run out, which the device finds out after `alloc` has returned. */
  constructor(device: GPUDevice, onError: (error: GpuError) => void) {
    this.#device = device;
    this.#onError = onError;
  }

  alloc(wanted: number): Block {
    const allowed = Math.min(this.#device.limits.maxStorageBufferBindingSize, this.#device.limits.maxBufferSize);
    if (wanted > allowed)
      throw new GpuError(
        `tensor: ${wanted} bytes wanted, this adapter binds at most ${allowed}; use tiles or a smaller batch`,
        {
          name: "maxStorageBufferBindingSize",
          wanted,
          allowed,
        },
      );
    const bytes = Math.min(sizeClass(wanted), allowed - (allowed % 4));
    let block = this.#free.get(bytes)?.pop();
    if (block) this.freeBytes -= bytes;
    else block = { id: this.#next++, buffer: this.#create(bytes), bytes, used: 0 };
    block.used = this.#interval;
    this.live++;
    this.liveBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return block;
  }

  #create(size: number): GPUBuffer {
    const [live, free] = [this.liveBytes, this.freeBytes];
    this.#device.pushErrorScope("out-of-memory");
    const buffer = this.#device.createBuffer({ size, usage: USAGE });
    const failed = (error: GPUError | null) => {
      if (error)
        this.#onError(
          new GpuError(
            `tensor: no memory for ${size} bytes more; ${live} are in use and ${free} kept for reuse; use tiles or a smaller batch`,
          ),
        );
    };
    this.#device.popErrorScope().then(failed, () => {}); // a lost device says so itself
    return buffer;
  }

  free(block: Block): void {
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
