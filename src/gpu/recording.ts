import { collect } from "#gpu";
import type { Capture } from "./capture.ts";
import type { Pipeline, Pipelines } from "./pipelines.ts";
import type { Block } from "./pool.ts";
import type { Replay } from "./replay.ts";

export interface Bound {
  readonly block: Block;
  readonly offset: number;
  readonly bytes: number;
}
export type Grid = readonly [number, number?, number?];
/** What has a buffer, or will have one by the time that commands are encoded. */
type Place = Pick<Block, "buffer">;
export type Command =
  | { kind: "dispatch"; pipeline: Pipeline; bound: readonly Bound[]; params: Uint8Array | undefined; grid: Grid }
  | { kind: "copy"; from: Place; fromOffset: number; to: Place; toOffset: number; bytes: number }
  /** `renew`: the data that a replay writes. Without it the numbers are those of one call alone. */
  | { kind: "write"; to: Place; offset: number; data: Uint8Array; renew?: (() => Uint8Array) | undefined }
  | { kind: "replay"; replay: Replay };

/** Dispatches after which a submit is made without being asked. */
const BATCH = 256;
/** Bytes of scalars in one submit; each dispatch takes one aligned slot. */
const RING = 1 << 17;
/** Bind groups kept; beyond, all are dropped and collected. */
const BIND_GROUPS = 8192;

/**
 * What has been asked of the GPU and not yet submitted. Commands keep their order, also behind pipelines that are
 * still compiling: a batch is encoded once all its pipelines are ready, batches one after the other.
 */
export class Recording {
  dispatches = 0;
  submits = 0;
  /** Called when something recorded earlier turns out not to work. */
  onError: (error: unknown) => void = () => {};
  /** When there is one, commands are its own. */
  capture: Capture | undefined;
  readonly #device: GPUDevice;
  readonly #pipelines: Pipelines;
  readonly #ring: GPUBuffer;
  readonly #slot: number;
  readonly #stage = new Uint8Array(RING);
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #paramGroups = new Map<string, GPUBindGroup>();
  #commands: Command[] = [];
  #tail: Promise<void> | undefined;

  constructor(device: GPUDevice, pipelines: Pipelines) {
    this.#device = device;
    this.#pipelines = pipelines;
    this.#ring = device.createBuffer({ label: "params", size: RING, usage: 0x40 | 0x8 });
    this.#slot = device.limits.minUniformBufferOffsetAlignment;
  }

  add(command: Command): void {
    if (this.capture) {
      this.capture.commands.push(command);
      return;
    }
    this.#commands.push(command);
    const before = Math.floor(this.dispatches / BATCH);
    this.dispatches += command.kind === "dispatch" ? 1 : command.kind === "replay" ? command.replay.dispatches : 0;
    if (Math.floor(this.dispatches / BATCH) > before) this.flush();
  }

  /** Hands everything recorded to the GPU, as soon as its pipelines are compiled. */
  flush(): void {
    const commands = this.#commands;
    if (!commands.length) return;
    this.#commands = [];
    const pending: Promise<void>[] = [];
    for (const c of commands)
      if (c.kind === "dispatch" && !c.pipeline.compiled) pending.push(c.pipeline.ready);
      else if (c.kind === "replay") pending.push(...c.replay.pending());
    if (!this.#tail && !pending.length) {
      this.#encode(commands);
      return;
    }
    const tail = (this.#tail ?? Promise.resolve())
      .then(() => Promise.all(pending))
      .then(() => this.#encode(commands))
      .catch((error) => this.onError(error))
      .then(() => {
        if (this.#tail === tail) this.#tail = undefined;
      });
    this.#tail = tail;
  }

  /** Resolves when everything recorded so far has been submitted. */
  async submitted(): Promise<void> {
    this.flush();
    await this.#tail;
  }

  get idle(): boolean {
    return !this.#tail && !this.#commands.length;
  }

  /** Forgets bind groups that hold destroyed buffers. */
  forget(): void {
    this.#bindGroups.clear();
  }

  #encode(commands: readonly Command[]): void {
    const { queue } = this.#device;
    let encoder: GPUCommandEncoder | undefined;
    let pass: GPUComputePassEncoder | undefined;
    let used = 0;
    let current: GPUComputePipeline | undefined;
    const endPass = () => {
      pass?.end();
      pass = current = undefined;
    };
    const submit = () => {
      endPass();
      if (!encoder) return;
      if (used) queue.writeBuffer(this.#ring, 0, this.#stage, 0, used);
      queue.submit([encoder.finish()]);
      this.submits++;
      encoder = undefined;
      used = 0;
    };
    for (const c of commands) {
      if (c.kind === "write") {
        submit(); // a write happens on the queue, so what was encoded before it must be there first
        queue.writeBuffer(c.to.buffer, c.offset, c.data as Uint8Array<ArrayBuffer>);
        continue;
      }
      encoder ??= this.#device.createCommandEncoder();
      if (c.kind === "copy") {
        endPass();
        encoder.copyBufferToBuffer(c.from.buffer, c.fromOffset, c.to.buffer, c.toOffset, c.bytes);
        continue;
      }
      if (c.kind === "replay") {
        endPass();
        c.replay.encode(encoder);
        continue;
      }
      if (used + (c.params?.length ?? 0) > RING) {
        submit();
        encoder = this.#device.createCommandEncoder();
      }
      pass ??= encoder.beginComputePass();
      const pipeline = c.pipeline.compiled as GPUComputePipeline;
      if (pipeline !== current) {
        current = pipeline;
        pass.setPipeline(pipeline);
      }
      pass.setBindGroup(0, this.#bindGroup(c.pipeline, c.bound));
      if (c.params) {
        this.#stage.set(c.params, used);
        pass.setBindGroup(1, this.#paramGroup(c.pipeline.signature, c.params.length), [used]);
        used += Math.ceil(c.params.length / this.#slot) * this.#slot;
      }
      pass.dispatchWorkgroups(c.grid[0], c.grid[1] ?? 1, c.grid[2] ?? 1);
    }
    submit();
  }

  #bindGroup(pipeline: Pipeline, bound: readonly Bound[]): GPUBindGroup {
    let key = pipeline.signature;
    for (const b of bound) key += `,${b.block.id}:${b.offset}:${b.bytes}`;
    let group = this.#bindGroups.get(key);
    if (!group) {
      if (this.#bindGroups.size >= BIND_GROUPS) {
        this.#bindGroups.clear();
        collect();
      }
      group = this.#device.createBindGroup({
        label: pipeline.stem,
        layout: this.#pipelines.layout(pipeline.signature).groups[0] as GPUBindGroupLayout,
        entries: bound.map((b, binding) => ({
          binding,
          resource: { buffer: b.block.buffer, offset: b.offset, size: b.bytes },
        })),
      });
      this.#bindGroups.set(key, group);
    }
    return group;
  }

  #paramGroup(signature: string, size: number): GPUBindGroup {
    const key = `${signature}:${size}`;
    let group = this.#paramGroups.get(key);
    if (!group) {
      group = this.#device.createBindGroup({
        layout: this.#pipelines.layout(signature).groups[1] as GPUBindGroupLayout,
        entries: [{ binding: 0, resource: { buffer: this.#ring, size } }],
      });
      this.#paramGroups.set(key, group);
    }
    return group;
  }
}
