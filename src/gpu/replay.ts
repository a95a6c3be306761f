import type { Pipeline, Pipelines } from "./pipelines.ts";
import type { Command } from "./recording.ts";

type Step =
  | {
      readonly pipeline: Pipeline;
      readonly group: GPUBindGroup;
      readonly params: GPUBindGroup | undefined;
      readonly offset: number[];
      readonly x: number;
      readonly y: number;
      readonly z: number;
    }
  | Extract<Command, { kind: "copy" }>;

/** Dispatches and copies whose blocks have their buffers: bound once, scalars on the device, encoded as they stand. */
export class Replay {
  readonly dispatches: number;
  readonly #steps: Step[];
  readonly #params: GPUBuffer | undefined;
  #waiting: Pipeline[];

  constructor(device: GPUDevice, pipelines: Pipelines, commands: readonly Command[]) {
    const unit = device.limits.minUniformBufferOffsetAlignment;
    const slot = (bytes: number) => Math.ceil(bytes / unit) * unit;
    const size = commands.reduce((n, c) => n + (c.kind === "dispatch" && c.params ? slot(c.params.length) : 0), 0);
    const stage = new Uint8Array(size);
    const params = size ? device.createBuffer({ label: "plan params", size, usage: 0x40 | 0x8 }) : undefined;
    const groups = new Map<string, GPUBindGroup>();
    const group = (key: string, layout: GPUBindGroupLayout, resources: GPUBufferBinding[]): GPUBindGroup => {
      let known = groups.get(key);
      if (!known) {
        const entries = resources.map((resource, binding) => ({ binding, resource }));
        groups.set(key, (known = device.createBindGroup({ layout, entries })));
      }
      return known;
    };
    const ids = new Map<GPUBuffer, number>();
    const idOf = (buffer: GPUBuffer): number => {
      if (!ids.has(buffer)) ids.set(buffer, ids.size);
      return ids.get(buffer) as number;
    };
    let used = 0;
    this.#steps = commands.flatMap((c): Step[] => {
      if (c.kind === "copy") return [c];
      if (c.kind !== "dispatch") return [];
      const { signature } = c.pipeline;
      const [storage, uniform] = pipelines.layout(signature).groups as [GPUBindGroupLayout, GPUBindGroupLayout];
      const resources = c.bound.map(({ block: { buffer }, offset, bytes }) => ({ buffer, offset, size: bytes }));
      const key = resources.map(({ buffer, offset, size }) => `${idOf(buffer)}:${offset}:${size}`).join();
      const offset = used;
      if (c.params) {
        stage.set(c.params, used);
        used += slot(c.params.length);
      }
      const scalars = c.params && { buffer: params as GPUBuffer, size: c.params.length };
      return [
        {
          pipeline: c.pipeline,
          group: group(`${signature},${key}`, storage, resources),
          params: scalars && group(`${signature};${scalars.size}`, uniform, [scalars]),
          offset: [offset],
          x: c.grid[0],
          y: c.grid[1] ?? 1,
          z: c.grid[2] ?? 1,
        },
      ];
    });
    if (params) device.queue.writeBuffer(params, 0, stage);
    this.#params = params;
    this.#waiting = [...new Set(this.#steps.flatMap((s) => ("pipeline" in s ? [s.pipeline] : [])))];
    this.dispatches = this.#steps.filter((s) => "pipeline" in s).length;
  }

  /** Of the pipelines that are still being compiled. */
  pending(): Promise<void>[] {
    if (this.#waiting.length) this.#waiting = this.#waiting.filter(({ compiled }) => !compiled);
    return this.#waiting.map(({ ready }) => ready);
  }

  encode(encoder: GPUCommandEncoder): void {
    let pass: GPUComputePassEncoder | undefined;
    let pipeline: Pipeline | undefined;
    let group: GPUBindGroup | undefined;
    for (const step of this.#steps) {
      if (!("pipeline" in step)) {
        pass?.end();
        pass = pipeline = group = undefined;
        encoder.copyBufferToBuffer(step.from.buffer, step.fromOffset, step.to.buffer, step.toOffset, step.bytes);
        continue;
      }
      pass ??= encoder.beginComputePass();
      if (step.pipeline !== pipeline) {
        pipeline = step.pipeline;
        pass.setPipeline(pipeline.compiled as GPUComputePipeline);
      }
      if (step.group !== group) pass.setBindGroup(0, (group = step.group));
      if (step.params) pass.setBindGroup(1, step.params, step.offset);
      pass.dispatchWorkgroups(step.x, step.y, step.z);
    }
    pass?.end();
  }

  /** Only when nothing recorded is waiting to be encoded. */
  destroy(): void {
    this.#params?.destroy();
  }
}
