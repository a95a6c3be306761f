import type { Gpu } from "../src/gpu/open.ts";
import { grid1d, kernel } from "../src/tensor/kernel.ts";
import { scope } from "../src/tensor/scope.ts";
import { empty, tensor } from "../src/tensor/tensor.ts";
import copyWgsl from "./copy.wgsl";
import fmaWgsl from "./fma.wgsl";

export interface Measured {
  /** Milliseconds for one call. */
  median: number;
  lower: number;
  upper: number;
  runs: number;
  /** Calls in a run: short work is repeated, so that the clock's grain and the wait do not count. */
  repeats: number;
  clock: "timestamp" | "wall";
  dispatches: number;
}
export interface MeasureOptions {
  /** Seconds. */
  budget?: number;
  least?: number;
}

/** A run should last this long, in ms, and a batch of dispatches must stay below what the recording submits unasked. */
const RUN = 20;
const BATCH = 200;

/** Median and quartiles of the time of `work`, which records GPU commands and returns. */
export async function measure(
  gpu: Gpu,
  work: () => void,
  { budget = 3, least = 5 }: MeasureOptions = {},
): Promise<Measured> {
  await once(gpu, work, 1); // compiles
  const before = gpu.recording.dispatches;
  const first = await once(gpu, work, 1);
  const dispatches = gpu.recording.dispatches - before;
  const fits = Math.max(1, Math.floor(BATCH / Math.max(1, dispatches)));
  const repeats = Math.min(fits, Math.max(1, Math.round(RUN / first)));
  const stamps =
    !gpu.software && gpu.device.features.has("timestamp-query") && dispatches * repeats <= BATCH
      ? new Stamps(gpu)
      : undefined;
  const times: number[] = [];
  const end = performance.now() + 1000 * budget;
  while (times.length < least || (performance.now() < end && times.length < 1000)) {
    const time = stamps ? await stamps.time(() => repeat(work, repeats)) : await once(gpu, work, repeats);
    times.push(time / repeats);
  }
  stamps?.dispose();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.round(share * (times.length - 1))] as number;
  return {
    median: at(0.5),
    lower: at(0.25),
    upper: at(0.75),
    runs: times.length,
    repeats,
    clock: stamps ? "timestamp" : "wall",
    dispatches,
  };
}

function repeat(work: () => void, times: number): void {
  for (let i = 0; i < times; i++) scope(work);
}

async function once(gpu: Gpu, work: () => void, repeats: number): Promise<number> {
  const start = performance.now();
  repeat(work, repeats);
  await gpu.idle();
  return performance.now() - start;
}

/** Two marks in the queue, one before and one after a batch that was recorded beforehand. */
class Stamps {
  readonly #gpu: Gpu;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #read: GPUBuffer;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#queries = gpu.device.createQuerySet({ type: "timestamp", count: 2 });
    this.#resolved = gpu.device.createBuffer({ size: 16, usage: 0x200 | 0x4 }); // QUERY_RESOLVE | COPY_SRC
    this.#read = gpu.device.createBuffer({ size: 16, usage: 0x1 | 0x8 }); // MAP_READ | COPY_DST
  }

  async time(record: () => void): Promise<number> {
    record();
    this.#mark(0);
    await this.#gpu.recording.submitted();
    this.#mark(1);
    await this.#read.mapAsync(1);
    const [from, to] = new BigUint64Array(this.#read.getMappedRange());
    this.#read.unmap();
    return Number((to as bigint) - (from as bigint)) / 1e6;
  }

  // the end of an empty pass is stamped when all that was submitted before it has finished
  #mark(index: 0 | 1): void {
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.beginComputePass({ timestampWrites: { querySet: this.#queries, endOfPassWriteIndex: index } }).end();
    if (index === 1) {
      encoder.resolveQuerySet(this.#queries, 0, 2, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, this.#read, 0, 16);
    }
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  dispose(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
    this.#read.destroy();
  }
}

const copy = kernel({
  wgsl: copyWgsl,
  params: ({ x }) => ({ n: x.size / 4 }),
  shapes: ({ x }) => ({ y: x.shape }),
  grid: ({ x }, _, wg) => grid1d(x.size / 4, wg),
});
const fma = kernel<{ n: number; rounds: number }>({
  wgsl: fmaWgsl,
  params: (_, options) => ({ ...options }),
  shapes: (_, { n }) => ({ y: [4 * n] }),
  grid: (_, { n }, wg) => grid1d(n, wg),
});

export interface Peak {
  /** GB/s, bytes read and bytes written. */
  copy: number;
  /** GFLOP/s in f32. */
  fma: number;
}

/** What a plain copy and a plain chain of fma reach on this adapter, against which every row is held. */
export async function peak(gpu: Gpu, options: MeasureOptions = {}): Promise<Peak> {
  const size = gpu.software ? 1 << 24 : 1 << 28; // larger than any cache
  const x = empty([size / 4], "f32", gpu);
  const copied = await measure(gpu, () => void copy({ x }, {}), options);
  x.dispose();
  const factors = tensor([4], [0.5, 0.5, 0.5, 0.5]);
  const [n, rounds] = gpu.software ? [1 << 12, 1 << 10] : [1 << 20, 1 << 10];
  const chained = await measure(gpu, () => void fma({ x: factors }, { n, rounds }), options);
  factors.dispose();
  return { copy: (2 * size) / copied.median / 1e6, fma: (n * rounds * 64) / chained.median / 1e6 };
}
