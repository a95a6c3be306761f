/** Networks of any size: made on disk, streamed to the device, run through a plan; what they take of either memory. */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rng } from "../kernels/random.ts";
import { type Gpu, openGpu } from "../src/gpu/open.ts";
import { ADM, type OfficialAdm, officialAdm } from "../src/nets/adm_official.ts";
import { countParameters, type Net, type ParamSpec, shapesOf } from "../src/nets/net.ts";
import { toHalf } from "../src/tensor/half.ts";
import { plan } from "../src/tensor/plan.ts";
import { dispose, scope } from "../src/tensor/scope.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { openWeights } from "../src/weights/open.ts";
import { streamParams } from "../src/weights/params.ts";
import { formatHeader } from "../src/weights/safetensors_header.ts";

const MiB = 2 ** 20;
/** "Peak live" of PyTorch's forward at 256 x 256, in fp32: halves take half. */
const LIVE = 224 * MiB;

export interface NetCase {
  name: string;
  config: OfficialAdm;
  dtype: "f32" | "f16";
  side: number;
  /** Of intermediates that another implementation has alive at once, in bytes. */
  live?: number;
}
const ffhq = ADM.ffhq256;
export const NETS: readonly NetCase[] = [
  { name: "nets.adm_ffhq.f32.64^2", config: ffhq, dtype: "f32", side: 64, live: LIVE / 16 },
  { name: "nets.adm_ffhq.f16.256^2", config: ffhq, dtype: "f16", side: 256, live: LIVE / 2 },
  { name: "nets.adm_ffhq.f32.256^2", config: ffhq, dtype: "f32", side: 256, live: LIVE },
  { name: "nets.adm_imagenet.f16.64^2", config: ADM.imagenet256, dtype: "f16", side: 64 },
];

export interface NetResult {
  name: string;
  kind: "net";
  adapter: string;
  parameters: number;
  /** As stored on the device; norms and biases are f32. */
  weightBytes: number;
  /** Of the plan: inputs, intermediates, outputs. */
  planBytes: number;
  /** The most that the pool ever held: weights, packed forms, intermediates, and buffers kept for reuse. */
  peakBytes: number;
  /** Against weights + live. */
  ratio?: number;
  largestBuffer: number;
  bufferLimit: number;
  /** The most of heapUsed + external + arrayBuffers above what it was before, less the weights in flight. */
  hostBytes: number;
  loadSeconds: number;
  /** The first forward compiles pipelines and packs weights. */
  firstSeconds: number;
  seconds: number;
  finite: boolean;
  deviation: number;
}

/** A safetensors file of these parameters, in halves: seeded, and never whole in memory. */
export function writeNet({ parameters }: Pick<Net, "parameters">, path: string): void {
  const list = Object.entries(parameters);
  const file = openSync(path, "w");
  try {
    writeSync(
      file,
      formatHeader(
        list.map(([name, { shape }]) => ({ name, dtype: "F16" as const, shape, bytes: 2 * sizeOf(shape) })),
        {},
      ),
    );
    const uniform = Float64Array.from({ length: 1 << 14 }, (_, i) => ((i * 40503) % 16381) / 8190 - 1);
    list.forEach(([, { shape, init }], seed) => {
      const table = Uint16Array.from(uniform, (u) => toHalf(bound(shape, init) * u + (init === 1 ? 1 : 0)));
      const out = new Uint16Array(sizeOf(shape));
      for (let i = 0; i < out.length; i++)
        out[i] = table[(Math.imul(i + 7919 * seed + 1, 2654435761) >>> 18) & 16383] as number;
      const bytes = new Uint8Array(out.buffer);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    });
  } finally {
    closeSync(file);
  }
}
/** As PyTorch begins, but with nothing zero: what is zero would hide what is wrong. */
const bound = (shape: readonly number[], init: ParamSpec["init"]): number =>
  init === 1 ? 0.1 : shape.length < 2 ? 0.01 : 1 / Math.sqrt(sizeOf(shape.slice(1)));

const host = (): number => {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
};

export async function measureNet(
  { name, config, dtype, side, live }: NetCase,
  { again = true, folder = tmpdir(), gpu: given }: { again?: boolean; folder?: string; gpu?: Gpu } = {},
): Promise<NetResult> {
  const net = officialAdm(config);
  const place = mkdtempSync(join(folder, "proxel-net-"));
  const gpu = given ?? (await openGpu());
  let largestBuffer = 0;
  const { createBuffer } = gpu.device;
  gpu.device.createBuffer = (descriptor) => {
    largestBuffer = Math.max(largestBuffer, descriptor.size);
    return createBuffer.call(gpu.device, descriptor);
  };
  const own: { dispose(): void }[] = [];
  try {
    const path = join(place, "net.safetensors");
    writeNet(net, path);
    const weights = await openWeights(path);
    await gpu.idle();
    (globalThis as { gc?: () => void }).gc?.();
    const before = host();
    let hostBytes = 0;
    const watch = (inFlight = 0) => {
      hostBytes = Math.max(hostBytes, host() - before - inFlight);
    };
    const timer = setInterval(watch, 20);
    const seconds = async (work: () => unknown): Promise<number> => {
      const start = performance.now();
      await work();
      watch();
      return (performance.now() - start) / 1000;
    };

    let params: Record<string, Tensor> = {};
    const loadSeconds = await seconds(async () => {
      let done = 0;
      params = await streamParams(net.name, shapesOf(net.parameters), weights, {
        dtype,
        frugal: true,
        onProgress: (now) => {
          watch(now.done - done); // the tensor that is on its way
          done = now.done;
        },
      });
      await gpu.idle();
    });
    await weights.close();
    own.push({ dispose: () => dispose(params) });
    const weightBytes = Object.values(params).reduce((sum, t) => sum + t.bytes, 0);
    const x = scope(() => rng(1).normal([1, side, side, 3], { dtype }));
    own.push(x);
    const forward = plan((z: Tensor, t: readonly number[]) => net.apply(params, z, t), [x, [500]]);
    own.push(forward);
    let y: Float32Array = new Float32Array(0);
    const run = async () => {
      const out = forward(x, [500]);
      y = await out.read();
      out.dispose();
    };
    const firstSeconds = await seconds(run);
    const rest = again ? await seconds(run) : firstSeconds;
    clearInterval(timer);
    const { peakHeldBytes: peakBytes } = gpu.pool;
    return {
      name,
      kind: "net",
      adapter: gpu.adapter,
      parameters: countParameters(net),
      weightBytes,
      planBytes: forward.bytes,
      peakBytes,
      ...(live && { ratio: peakBytes / (weightBytes + live) }),
      largestBuffer,
      bufferLimit: Math.min(gpu.device.limits.maxStorageBufferBindingSize, gpu.device.limits.maxBufferSize),
      hostBytes,
      loadSeconds,
      firstSeconds,
      seconds: rest,
      finite: y.every(Number.isFinite),
      deviation: Math.sqrt(y.reduce((sum, v) => sum + v * v, 0) / y.length),
    };
  } finally {
    for (const it of own.reverse()) it.dispose();
    gpu.device.createBuffer = createBuffer;
    if (!given) gpu[Symbol.dispose]();
    rmSync(place, { recursive: true, force: true });
  }
}

const mib = (bytes: number): string => `${(bytes / MiB).toFixed(0)} MiB`;

export const netLine = (r: NetResult): string =>
  [
    `${r.name.padEnd(28)} ${r.parameters} parameters, ${mib(r.weightBytes)}`,
    `device at most ${mib(r.peakBytes)}${r.ratio ? ` (${r.ratio.toFixed(2)} of weights + live)` : ""}, plan ${mib(r.planBytes)}, largest buffer ${mib(r.largestBuffer)} of ${mib(r.bufferLimit)}`,
    `host at most ${mib(r.hostBytes)} above the weights in flight`,
    `load ${r.loadSeconds.toFixed(1)} s, forward ${r.seconds.toFixed(1)} s (first ${r.firstSeconds.toFixed(1)})`,
    r.finite ? `rms of y ${r.deviation.toPrecision(3)}` : "y IS NOT FINITE",
  ].join("\n  ");
