import { entry, patiently } from "#gpu";
import { GpuError } from "../errors.ts";
import type { Capture } from "./capture.ts";
import { Pipelines } from "./pipelines.ts";
import { type Block, Pool } from "./pool.ts";
import { Recording } from "./recording.ts";
import { FEATURES } from "./toggles.ts";

export interface OpenOptions {
  powerPreference?: GPUPowerPreference;
  /** No buffer of more bytes than this, where the adapter would bind more: what a smaller one would do. */
  largestBuffer?: number;
  /** Options of Dawn's `create()`, in Node. */
  dawn?: readonly string[];
}

// timestamps are rounded to 65 us without the second
const DAWN = [FEATURES, "disable-dawn-features=timestamp_quantization"];
const WANTED: readonly string[] = [
  "shader-f16",
  "subgroups",
  "timestamp-query",
  "subgroup-size-control",
  "chromium-experimental-subgroup-matrix",
];

/** An open device: its pool of buffers, its pipelines, and what is being recorded for it. `using` ends it. */
export class Gpu implements Disposable {
  readonly device: GPUDevice;
  /** What the adapter calls itself. */
  readonly adapter: string;
  /** The adapter runs on the processor: no GPU. */
  readonly software: boolean;
  readonly f16: boolean;
  /** Invocations of its smallest subgroup, 0 where shaders cannot use subgroups. */
  readonly subgroup: number;
  readonly pool: Pool;
  readonly pipelines: Pipelines;
  readonly recording: Recording;
  /** Bound where an optional input is absent. */
  readonly nothing: Block;
  #failure: Error | undefined;
  #release: (() => void) | undefined;

  constructor(device: GPUDevice, info: GPUAdapterInfo, release: () => void, largestBuffer?: number) {
    this.device = device;
    this.adapter =
      info.description || [info.vendor, info.architecture, info.device].filter(Boolean).join(" ") || "unknown";
    this.software = /llvmpipe|lavapipe|swiftshader|basic render|warp/i.test(
      `${this.adapter} ${info.device} ${info.architecture}`,
    );
    this.f16 = device.features.has("shader-f16");
    this.subgroup = device.features.has("subgroups") ? (info.subgroupMinSize ?? 0) : 0;
    this.pool = new Pool(device, largestBuffer);
    this.pipelines = new Pipelines(device);
    this.recording = new Recording(device, this.pipelines);
    this.recording.onError = (error) => this.#fail(error);
    this.nothing = this.pool.alloc(256);
    this.pool.live = 0;
    this.#release = release;
    device.lost.then((info) => {
      if (this.#release)
        this.#fail(new GpuError(`openGpu: the device was lost (${info.reason}): ${info.message}; open it again`));
    });
    device.onuncapturederror = ({ error }) => {
      const exhausted = /OutOfMemory/.test(error.constructor.name) || /out.of.memory/i.test(error.message);
      this.#fail(exhausted ? this.pool.exhausted() : new GpuError(`gpu: ${error.message}`));
    };
  }

  /** Tensors not yet freed. */
  get live(): number {
    return this.pool.live;
  }

  get open(): boolean {
    return this.#release !== undefined;
  }

  /** Throws what went wrong earlier, if anything did: GPU errors surface later than their cause. */
  check(): void {
    if (!this.#release) throw new GpuError("gpu: it is closed; open it again with `openGpu()`");
    if (this.#failure) throw this.#failure;
  }

  /** What is being captured, if anything. */
  get capture(): Capture | undefined {
    return this.recording.capture;
  }

  /** Runs f with what it asks for going to a capture; with undefined, to the device after all. */
  capturing<T>(capture: Capture | undefined, f: () => T): T {
    const { capture: outer } = this.recording;
    this.recording.capture = this.pool.capture = capture;
    try {
      return f();
    } finally {
      this.recording.capture = this.pool.capture = outer;
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new GpuError(String(error));
  }

  #wait<T>(promise: Promise<T>): Promise<T> {
    return this.software ? patiently(promise) : promise;
  }

  /** Bytes of a buffer, as they will be when everything recorded so far has run. */
  async read(block: Block, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.check();
    if (this.recording.capture) throw new TypeError("plan: nothing can be read inside; return it and read that");
    const size = Math.ceil(bytes / 4) * 4;
    const staging = this.device.createBuffer({ size, usage: 0x1 | 0x8 });
    const to = { buffer: staging };
    this.recording.add({ kind: "copy", from: block, fromOffset: offset, to, toOffset: 0, bytes: size });
    try {
      await this.#wait(this.recording.submitted());
      this.check();
      await this.#wait(staging.mapAsync(1));
      this.check();
      return staging.getMappedRange().slice(0, bytes);
    } catch (error) {
      this.check(); // says why, where the promise only says that
      throw error;
    } finally {
      staging.destroy();
    }
  }

  /** Resolves when everything recorded so far has run. */
  async idle(): Promise<void> {
    await this.#wait(this.recording.submitted());
    this.check();
    await this.#wait(this.device.queue.onSubmittedWorkDone());
    this.check();
    if (this.recording.idle && this.pool.trim()) this.recording.forget();
  }

  [Symbol.dispose](): void {
    if (!this.#release) return;
    const release = this.#release;
    this.#release = undefined;
    opened.splice(opened.indexOf(this), 1);
    // Dawn ends the process when a device goes while one of its threads compiles for it
    const end = () => {
      this.device.destroy();
      release();
    };
    if (this.pipelines.compiling.size) Promise.allSettled(this.pipelines.compiling).then(end);
    else end();
  }
}

const opened: Gpu[] = [];

/** Whether a plan is being captured. */
export const capturing = (): boolean => opened.some(({ capture }) => capture);

/** The GPU opened last and not yet closed. */
export function gpu(): Gpu {
  const last = opened.at(-1);
  if (!last) throw new GpuError('no GPU is open: call "using gpu = await openGpu()" first');
  return last;
}

/**
 * Opens the adapter with the highest limits and every feature it has that we use.
 * Throws a GpuError when there is none, or when it accepts work and does none.
 */
export async function openGpu({
  powerPreference = "high-performance",
  largestBuffer,
  dawn = DAWN,
}: OpenOptions = {}): Promise<Gpu> {
  if (largestBuffer !== undefined && !(largestBuffer >= 1024))
    throw new RangeError(`openGpu: largestBuffer expects 1024 bytes or more, got ${largestBuffer}`);
  const { api, release, advice } = await entry(dawn);
  let made: Gpu | undefined;
  try {
    const adapter = await api.requestAdapter({ powerPreference });
    if (!adapter) throw new GpuError(`openGpu: no WebGPU adapter was found; ${advice}`);
    const requiredLimits: Record<string, number> = {};
    for (const name in adapter.limits) {
      const value = adapter.limits[name as keyof GPUSupportedLimits];
      if (typeof value === "number" && !/^min/.test(name)) requiredLimits[name] = value;
    }
    const device = await adapter.requestDevice({
      requiredFeatures: WANTED.filter((f) => adapter.features.has(f)) as GPUFeatureName[],
      requiredLimits,
    });
    made = new Gpu(device, adapter.info, release, largestBuffer);
    opened.push(made);
    const got = await canary(made);
    if (got !== 42)
      throw new GpuError(
        `openGpu: the adapter "${made.adapter}" answers ${got} where 42 is due, so it computes nothing; ${advice}`,
      );
    return made;
  } catch (error) {
    if (made) made[Symbol.dispose]();
    else release();
    throw error;
  }
}

const CANARY = `@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = 6.0 * y[1]; }`;

/** One dispatch whose answer is known. Dawn's null backend fails here, and only here. */
async function canary(gpu: Gpu): Promise<number> {
  const { pipelines, pool, recording } = gpu;
  const target = pool.alloc(8);
  recording.add({ kind: "write", to: target, offset: 0, data: new Uint8Array(new Float32Array([0, 7]).buffer) });
  const pipeline = pipelines.get("canary", "w", "canary", () => CANARY, {});
  recording.add({
    kind: "dispatch",
    pipeline,
    bound: [{ block: target, offset: 0, bytes: 8 }],
    params: undefined,
    grid: [1],
  });
  const [got] = new Float32Array(await gpu.read(target, 0, 4));
  pool.free(target);
  return got as number;
}
