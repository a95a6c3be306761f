import { GpuError } from "../errors.ts";

/** A buffer of the pool. `bytes` is its class, not what was asked. */
export interface Block {
  readonly id: number;
  readonly buffer: GPUBuffer;
  readonly bytes: number;
}

// STORAGE | COPY_SRC | COPY_DST
const USAGE = 0x80 | 0x4 | 0x8;
/** Free bytes beyond which the pool gives memory back at the next submit. */
const KEEP = 1 << 30;

/**
 * Buffers, reused. A freed block may be handed out again at once: commands run in the order they were recorded,
 * so its next writer comes after its last reader. Sizes are rounded up to eight classes per doubling.
 */
export class Pool {
  live = 0;
  liveBytes = 0;
  peakBytes = 0;
  freeBytes = 0;
  readonly #device: GPUDevice;
  readonly #free = new Map<number, Block[]>();
  #next = 1;

  constructor(device: GPUDevice) {
    this.#device = device;
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
    else block = { id: this.#next++, buffer: this.#device.createBuffer({ size: bytes, usage: USAGE }), bytes };
    this.live++;
    this.liveBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return block;
  }

  free(block: Block): void {
    this.live--;
    this.liveBytes -= block.bytes;
    this.freeBytes += block.bytes;
    const list = this.#free.get(block.bytes);
    if (list) list.push(block);
    else this.#free.set(block.bytes, [block]);
  }

  /** Destroys free buffers when there are many, or all of them. Only between submits. Returns the ids destroyed. */
  trim(all = false): number[] {
    if (!all && this.freeBytes <= KEEP) return [];
    const gone: number[] = [];
    for (const list of this.#free.values())
      for (const block of list.splice(0)) {
        block.buffer.destroy();
        gone.push(block.id);
      }
    this.freeBytes = 0;
    return gone;
  }
}

function sizeClass(bytes: number): number {
  if (bytes <= 4096) return Math.max(256, Math.ceil(bytes / 256) * 256);
  const step = 2 ** (Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
