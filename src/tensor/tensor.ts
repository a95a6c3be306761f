import { ShapeError } from "../errors.ts";
import type { Capture } from "../gpu/capture.ts";
import { type Gpu, gpu } from "../gpu/open.ts";
import type { Block } from "../gpu/pool.ts";
import { renewal } from "./given.ts";
import { halvesFrom, halvesTo } from "./half.ts";
import { adopt, detached } from "./scope.ts";
import { BYTES, type DType, type Shape, sizeOf } from "./shape.ts";

/** A buffer that tensors share: only `reshape`, complex views and slices of flat parameters do. */
export interface Storage {
  readonly gpu: Gpu;
  block: Block;
  refs: number;
  /** Counts in-place writes, so that what was derived from the contents can tell it is stale. */
  version: number;
  derived?: Map<string, { version: number; tensor: Tensor; part: Part | undefined }>;
  /** The buffer may go once what is derived from it holds the same numbers. */
  frugal?: boolean;
  /** The buffer is gone; this gives its contents again. */
  again?: (() => Tensor) | undefined;
}

/** Elements `from` to `to`, in an order of the deriver's own, that a derived tensor can write back, bit for bit. */
export interface Part {
  readonly from: number;
  readonly to: number;
  write(form: Tensor, into: Tensor): void;
}

/** Shape, dtype and a buffer on the GPU; contiguous, row-major, images as NHWC. Made inside a `scope`, freed with it. */
export class Tensor implements Disposable {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly storage: Storage;
  /** Where it begins in its buffer, in bytes. */
  readonly offset: number;
  #owned = true;
  #holds = 0;

  constructor(shape: Shape, dtype: DType, storage: Storage, offset = 0) {
    this.shape = shape;
    this.dtype = dtype;
    this.storage = storage;
    this.offset = offset;
    storage.refs++;
    adopt(this);
  }

  get size(): number {
    return sizeOf(this.shape);
  }
  get bytes(): number {
    return this.size * BYTES[this.dtype];
  }

  /** The numbers: f16 widened to f32, c64 interleaved. */
  async read(): Promise<Float32Array> {
    if (this.dtype === "u32") throw new TypeError("read: the tensor is u32; use readUint32()");
    const raw = await this.#raw();
    return this.dtype === "f16" ? halvesTo(new Uint16Array(raw)) : new Float32Array(raw);
  }
  async readUint32(): Promise<Uint32Array> {
    if (this.dtype !== "u32") throw new TypeError(`readUint32: the tensor is ${this.dtype}; use read()`);
    return new Uint32Array(await this.#raw());
  }
  /** The bits as stored: halves as Uint16Array. */
  async readRaw(): Promise<ArrayBuffer> {
    return this.#raw();
  }
  #raw(): Promise<ArrayBuffer> {
    this.#check();
    const { gpu, again, block } = this.storage;
    if (!again) return gpu.read(block, this.offset, this.bytes);
    const copy = again(); // for the read alone: it stays packed
    const raw = gpu.read(copy.storage.block, this.offset, this.bytes);
    copy.dispose();
    return raw;
  }
  #check(): void {
    if (this.freed) throw new ShapeError(`tensor [${this.shape}]: it was freed; return it from its scope to keep it`);
    const { block, gpu } = this.storage;
    if (block.capture && block.capture !== gpu.capture)
      throw new ShapeError(
        `tensor [${this.shape}]: it was made inside a plan, and is there only; return it from the plan`,
      );
  }

  get freed(): boolean {
    return !this.#owned && this.#holds === 0;
  }

  /** Ends the owner's interest. The buffer lives on while a tape holds the tensor or another tensor shares it. */
  dispose(): void {
    if (!this.#owned) return;
    this.#owned = false;
    this.#settle();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
  /** For the tape: keeps the contents until `letGo`. */
  hold(): this {
    this.#holds++;
    return this;
  }
  letGo(): void {
    this.#holds--;
    this.#settle();
  }
  #settle(): void {
    if (!this.freed || --this.storage.refs > 0) return;
    for (const { tensor } of this.storage.derived?.values() ?? []) tensor.dispose();
    if (!this.storage.again) this.storage.gpu.pool.free(this.storage.block);
  }

  /** For kernels: the binding of its bytes. */
  bound(): { block: Block; offset: number; bytes: number } {
    this.#check();
    const { again } = this.storage;
    if (again) {
      const copy = again();
      this.storage.again = undefined;
      this.storage.block = copy.storage.block;
      copy.#owned = false; // the buffer has changed hands
    }
    return { block: this.storage.block, offset: this.offset, bytes: Math.ceil(this.bytes / 4) * 4 };
  }

  /** What is derived from the contents, under `key`; made anew when they have changed since. Use `derived()`. */
  derivedFrom(key: string, make: () => Tensor, part?: Part): Tensor {
    this.#check();
    const { version } = this.storage;
    if (!this.storage.block.capture) this.storage.gpu.capture?.sources.set(this.storage, version);
    this.storage.derived ??= new Map();
    // kept with the buffer, so that every view of the same bytes finds it
    const full = `${this.offset}:${this.dtype}:${this.shape}:${key}`;
    const known = this.storage.derived.get(full);
    if (known?.version === version) return known.tensor;
    known?.tensor.dispose();
    // what is made of a tensor from outside a plan is made now, and once
    const { gpu, block } = this.storage;
    const tensor = gpu.capturing(block.capture as Capture | undefined, make);
    this.storage.derived.set(full, { version, tensor, part });
    if (part) this.#stow();
    return tensor;
  }
  /** Lets the buffer go when all of it is in parts. */
  #stow(): void {
    const { storage } = this;
    const { gpu, block, derived, version } = storage;
    if (!storage.frugal || storage.again || block.capture) return;
    const parts: (() => void)[] = [];
    let [at, into] = [0, undefined as Tensor | undefined];
    for (let found = true; found && at < this.size; ) {
      found = false;
      for (const { part, tensor, version: of } of derived?.values() ?? [])
        if (part?.from === at && of === version) {
          parts.push(() => part.write(tensor, into as Tensor));
          at = part.to;
          found = true;
        }
    }
    if (at !== this.size || gpu.capture?.foreign().has(block)) return; // a plan reads it as it is
    gpu.pool.free(block);
    storage.again = () =>
      gpu.capturing(undefined, () =>
        detached(() => {
          into = empty(this.shape, this.dtype, gpu);
          for (const write of parts) write();
          return into;
        }),
      );
  }
}

/** A new tensor with these numbers; f32 unless said otherwise. Complex data are interleaved. */
export function tensor(shape: Shape, data: ArrayLike<number>, dtype: DType = "f32"): Tensor {
  const count = sizeOf(shape) * (dtype === "c64" ? 2 : 1);
  if (data.length !== count)
    throw new ShapeError(`tensor: shape [${shape}] of ${dtype} holds ${count} numbers, got ${data.length}`);
  const t = empty(shape, dtype);
  upload(t, data);
  return t;
}

/** Writes numbers over the contents of a tensor. */
export function upload(t: Tensor, data: ArrayLike<number>): void {
  const encode = (numbers: ArrayLike<number>): Uint8Array => {
    const array =
      t.dtype === "f16"
        ? halvesFrom(numbers)
        : t.dtype === "u32"
          ? new Uint32Array(numbers)
          : new Float32Array(numbers);
    return padded(new Uint8Array(array.buffer));
  };
  const again = renewal(data);
  if (again) write(t, encode(again()), () => encode(again()));
  else write(t, encode(data));
}

const padded = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length % 4 === 0) return bytes;
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
};

function write(t: Tensor, data: Uint8Array, renew?: () => Uint8Array): void {
  const { block, offset } = t.bound();
  changed(t);
  t.storage.gpu.recording.add({ kind: "write", to: block, offset, data, renew });
}

/** Lets these tensors live in the packed forms that kernels read, alone: half the memory, and slower to read or change. */
export function frugal(tensors: Iterable<Tensor>): void {
  // slices of a flat buffer are not alone in it
  for (const t of tensors) if (t.storage.refs === 1) t.storage.frugal = true;
}

/** To be called where the contents of a tensor that is in use are written over. */
export function changed({ storage }: Tensor): void {
  storage.version++;
  storage.block.version++;
}

/** Writes bytes, in the tensor's own dtype, over its contents. The bytes are taken, not copied. */
export function uploadRaw(t: Tensor, bytes: Uint8Array): void {
  if (bytes.length !== t.bytes)
    throw new ShapeError(`upload: tensor [${t.shape}] takes ${t.bytes} bytes, got ${bytes.length}`);
  write(t, padded(bytes));
}

/** A new tensor whose contents are whatever the buffer held. */
export function empty(shape: Shape, dtype: DType = "f32", on: Gpu = gpu()): Tensor {
  if (shape.some((n) => !Number.isInteger(n) || n < 0)) throw new ShapeError(`tensor: [${shape}] is not a shape`);
  const bytes = Math.max(4, Math.ceil((sizeOf(shape) * BYTES[dtype]) / 4) * 4);
  return new Tensor(shape, dtype, { gpu: on, block: on.pool.alloc(bytes), refs: 0, version: 0 });
}

/** The same numbers elsewhere: one copy, no kernel. */
export function copyBuffer(from: Tensor, to: Tensor): void {
  const bytes = Math.ceil(Math.min(from.bytes, to.bytes) / 4) * 4;
  changed(to);
  from.storage.gpu.recording.add({
    kind: "copy",
    from: from.bound().block,
    fromOffset: from.offset,
    to: to.bound().block,
    toOffset: to.offset,
    bytes,
  });
}
