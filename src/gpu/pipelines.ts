import { ShaderError } from "../errors.ts";
import { locate } from "./reflect.ts";

/** A pipeline that is compiled, or being compiled. */
export interface Pipeline {
  readonly stem: string;
  /** Layouts with the same signature share bind groups. */
  readonly signature: string;
  readonly hasParams: boolean;
  compiled: GPUComputePipeline | undefined;
  readonly ready: Promise<void>;
}

/** Pipelines, compiled once each, in the background, by text and constants. */
export class Pipelines {
  compiles = 0;
  readonly compiling = new Set<Promise<void>>();
  readonly #device: GPUDevice;
  readonly #byKey = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { groups: GPUBindGroupLayout[]; layout: GPUPipelineLayout }>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** `signature` has one letter per storage binding: r read, w read_write; then p when there are params. */
  get(key: string, signature: string, stem: string, source: () => string, constants: Record<string, number>): Pipeline {
    const known = this.#byKey.get(key);
    if (known) return known;
    this.compiles++;
    const code = source();
    this.#device.pushErrorScope("validation"); // a broken shader is reported by the pipeline, with its lines
    const module = this.#device.createShaderModule({ label: stem, code });
    this.#device.popErrorScope().catch(() => {});
    const made = this.#device.createComputePipelineAsync({
      label: stem,
      layout: this.layout(signature).layout,
      compute: { module, entryPoint: "main", constants },
    });
    const pipeline: Pipeline = {
      stem,
      signature,
      hasParams: signature.endsWith("p"),
      compiled: undefined,
      ready: made.then(
        (compiled) => {
          pipeline.compiled = compiled;
        },
        async (error: Error) => {
          throw await explain(stem, code, module, error);
        },
      ),
    };
    const { ready } = pipeline;
    this.compiling.add(ready);
    const over = () => this.compiling.delete(ready);
    ready.then(over, over); // a failure is reported where it is awaited
    this.#byKey.set(key, pipeline);
    return pipeline;
  }

  layout(signature: string): { groups: GPUBindGroupLayout[]; layout: GPUPipelineLayout } {
    let known = this.#layouts.get(signature);
    if (known) return known;
    const storage = [...signature].filter((c) => c !== "p");
    const visibility = 4; // COMPUTE
    const groups = [
      this.#device.createBindGroupLayout({
        entries: storage.map((c, binding) => ({
          binding,
          visibility,
          buffer: { type: c === "r" ? ("read-only-storage" as const) : ("storage" as const) },
        })),
      }),
    ];
    if (signature.endsWith("p"))
      groups.push(
        this.#device.createBindGroupLayout({
          entries: [{ binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } }],
        }),
      );
    known = { groups, layout: this.#device.createPipelineLayout({ bindGroupLayouts: groups }) };
    this.#layouts.set(signature, known);
    return known;
  }
}

async function explain(stem: string, code: string, module: GPUShaderModule, error: Error): Promise<ShaderError> {
  const { messages } = await module.getCompilationInfo();
  const lines = messages
    .filter((m) => m.type === "error")
    .map((m) => `  ${locate(code, m.lineNum)}: ${m.message}\n    ${code.split("\n")[m.lineNum - 1]?.trim() ?? ""}`);
  return new ShaderError(stem, lines.length ? lines.join("\n") : `  ${error.message}`, code);
}
