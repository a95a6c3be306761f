import { GpuError, ShapeError } from "../errors.ts";
import { type Gpu, gpu } from "../gpu/open.ts";
import type { Bound, Grid } from "../gpu/recording.ts";
import { type Layout, reflect } from "../gpu/reflect.ts";
import type { DType, Shape } from "./shape.ts";
import { changed, empty, Tensor } from "./tensor.ts";

/** Named tensors; an optional input that is absent is `undefined`. */
// biome-ignore lint/suspicious/noExplicitAny: a kernel's own spec knows which inputs it requires
export type Inputs = Record<string, any>;
type Numbers = Record<string, number>;

export interface KernelSpec<O> {
  /** The linked text of a shader. Its storage bindings are the inputs and outputs, by name. */
  wgsl: string;
  /** The scalars of `struct Params`. Leave out a shader that has none. */
  params?(inputs: Inputs, options: O): Numbers;
  /** Shapes of the outputs, by name. */
  shapes(inputs: Inputs, options: O): Record<string, Shape>;
  /** Workgroups to launch; `wg` is the workgroup size in use (`override WG`). */
  grid(inputs: Inputs, options: O, wg: number): Grid;
  /** Elements to a vector `V`: 4 where the innermost axes allow it. Default 1. */
  lanes?(inputs: Inputs, options: O): 1 | 4;
  /** `const` lines for the prelude: what WGSL wants as a const-expression. All u32. */
  consts?(inputs: Inputs, options: O): Numbers;
  /** Values for `override`s other than their defaults. */
  overrides?(inputs: Inputs, options: O): Numbers;
  /** What `Elem` is, when no input says so (default f32), or when an output should differ from nothing given. */
  elem?(inputs: Inputs, options: O): "f32" | "f16";
  /** Complex tensors pass where `Elem` stands, as pairs of f32: right for what is linear over the reals. */
  complex?: boolean;
}
export interface Kernel<O> {
  /** `into`: outputs to write in place of new ones. */
  (inputs: Inputs, options: O, into?: Record<string, Tensor>): Record<string, Tensor>;
  readonly layout: Layout;
}

const ELEM = /^(Elem4?|V)$/;
/** Shaders of one text share pipelines; those of one stem need not be of one text. */
const numbers = new Map<string, number>();

/**
 * Binds a shader: a function from named inputs to named outputs, which allocates the outputs and records one dispatch.
 * No gradient; see `op`. The prelude put before the text is the whole of what the host adds to it:
 *   Elem, Elem4  storage type of the call, f32 or f16      V, VF, LANES  vector of 4 or scalar, and its f32 form
 *   Complex      vec2f
 */
export function kernel<O = object>(spec: KernelSpec<O>): Kernel<O> {
  const layout = reflect(spec.wgsl);
  const { stem } = layout;
  const number = numbers.get(spec.wgsl) ?? numbers.size;
  numbers.set(spec.wgsl, number);
  const signature =
    [...layout.inputs.map((b) => ({ ...b, c: "r" })), ...layout.outputs.map((b) => ({ ...b, c: "w" }))]
      .sort((a, b) => a.index - b.index)
      .map((b) => b.c)
      .join("") + (layout.params.length ? "p" : "");
  const usesElem = [...layout.inputs, ...layout.outputs].some((b) => ELEM.test(b.type));

  const call = (inputs: Inputs, options: O, into?: Record<string, Tensor>): Record<string, Tensor> => {
    const on = gpuOf(inputs);
    on.check();
    const dtype = usesElem ? elemOf(layout, inputs, spec.elem?.(inputs, options), spec.complex) : "f32";
    const elem = dtype === "f16" ? "f16" : "f32";
    if (elem === "f16" && !on.f16)
      throw new GpuError(`${stem}: this adapter has no f16 (shader-f16); cast to f32`, {
        name: "shader-f16",
        wanted: 1,
        allowed: 0,
      });
    const lanes = spec.lanes?.(inputs, options) ?? 1;
    const consts = spec.consts?.(inputs, options) ?? {};
    const overrides = spec.overrides?.(inputs, options) ?? {};
    const wg = overrides.WG ?? layout.overrides.WG ?? 1;
    const key = `${number}|${elem}${lanes}|${entries(consts)}|${entries(overrides)}`;
    const pipeline = on.pipelines.get(
      key,
      signature,
      stem,
      () => enabled(elem, spec.wgsl) + prelude(elem, lanes, consts) + spec.wgsl,
      overrides,
    );

    // inputs first: one that was freed must not cost an output
    const bound: Bound[] = new Array(layout.inputs.length + layout.outputs.length);
    for (const { name, index } of layout.inputs)
      bound[index] = inputs[name]?.bound() ?? { block: on.nothing, offset: 0, bytes: 256 };
    const shapes = spec.shapes(inputs, options);
    const outputs: Record<string, Tensor> = {};
    for (const { name, type } of layout.outputs) {
      const shape = shapes[name];
      if (!shape) throw new Error(`internal: ${stem}: no shape is given for output "${name}"`);
      const given = into?.[name];
      outputs[name] = given ?? empty(shape, dtypeOf(type, dtype), on);
      if (given) changed(given);
    }
    for (const { name, index } of layout.outputs) bound[index] = (outputs[name] as Tensor).bound();
    if (into) refuseOverlap(stem, layout, bound);
    const grid = spec.grid(inputs, options, wg);
    const [gx, gy = 1, gz = 1] = grid;
    if (gx > 0 && gy > 0 && gz > 0) {
      if (gx > 65535 || gy > 65535 || gz > 65535)
        throw new Error(`internal: ${stem}: grid [${grid}] exceeds 65535 workgroups on an axis`);
      on.recording.add({
        kind: "dispatch",
        pipeline,
        bound,
        params: packParams(layout, spec.params?.(inputs, options)),
        grid,
      });
    }
    return outputs;
  };
  return Object.assign(call, { layout });
}

/** Grid for n invocations in workgroups of wg, folded into y beyond 65,535. The shader guards the tail. */
export function grid1d(n: number, wg: number): Grid {
  const groups = Math.ceil(n / wg);
  if (groups <= 65535) return [groups, 1];
  const y = Math.ceil(groups / 65535);
  return [Math.ceil(groups / y), y];
}

/** 4 when each of these counts is a multiple of 4, else 1. */
export const lanesFor = (...counts: number[]): 1 | 4 => (counts.every((n) => n % 4 === 0) ? 4 : 1);

/** WebGPU refuses a buffer that one dispatch both reads and writes, also apart, and does not say whose it was. */
function refuseOverlap(stem: string, { inputs, outputs }: Layout, bound: readonly Bound[]): void {
  for (const w of outputs)
    for (const other of [...inputs, ...outputs])
      if (other !== w && bound[other.index]?.block === bound[w.index]?.block)
        throw new Error(`internal: ${stem}: "${w.name}" is written into the buffer of "${other.name}"`);
}

function gpuOf(inputs: Inputs): Gpu {
  for (const name in inputs) if (inputs[name] instanceof Tensor) return (inputs[name] as Tensor).storage.gpu;
  return gpu();
}

function elemOf(layout: Layout, inputs: Inputs, wanted: DType | undefined, complex = false): DType {
  let elem: DType | undefined;
  let first = "";
  for (const { name, type } of layout.inputs) {
    const t = inputs[name] as Tensor | undefined;
    if (!t) continue;
    if (ELEM.test(type)) {
      if (t.dtype === "u32" || (t.dtype === "c64" && !complex))
        throw new ShapeError(`${layout.stem}: "${name}" must be f32 or f16, got ${t.dtype}`);
      if (elem && t.dtype !== elem)
        throw new ShapeError(`${layout.stem}: "${name}" is ${t.dtype} where "${first}" is ${elem}; cast one of them`);
      elem = t.dtype;
      first ||= name;
    } else if (t.dtype === "f16") throw new ShapeError(`${layout.stem}: "${name}" is read as f32, got f16; cast it`);
  }
  return elem ?? wanted ?? "f32";
}

function dtypeOf(type: string, elem: DType): DType {
  if (ELEM.test(type)) return elem;
  return type === "Complex" ? "c64" : type === "u32" || type === "vec4u" || type === "vec2u" ? "u32" : "f32";
}

/** The directives that a shader needs, which must come before all else. */
const enabled = (elem: "f32" | "f16", wgsl: string): string =>
  (elem === "f16" ? "enable f16;\n" : "") + (/\bsubgroup[A-Z]/.test(wgsl) ? "enable subgroups;\n" : "");

function prelude(elem: "f32" | "f16", lanes: 1 | 4, consts: Numbers): string {
  const lines = [
    `alias Elem = ${elem};`,
    `alias Elem4 = vec4<${elem}>;`,
    `alias V = ${lanes === 4 ? "Elem4" : "Elem"};`,
    `alias VF = ${lanes === 4 ? "vec4f" : "f32"};`,
    `const LANES: u32 = ${lanes}u;`,
    "alias Complex = vec2f;",
    ...Object.entries(consts).map(([name, value]) => `const ${name}: u32 = ${value}u;`),
  ];
  return `${lines.join("\n")}\n`;
}

function entries(values: Numbers): string {
  let out = "";
  for (const name in values) out += `${name}=${values[name]},`;
  return out;
}

function packParams(layout: Layout, values: Numbers | undefined): Uint8Array | undefined {
  const { params, stem } = layout;
  if (!params.length) return undefined;
  const words = new Uint32Array(Math.ceil(params.length / 4) * 4);
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < params.length; i++) {
    const { name, type } = params[i] as (typeof params)[number];
    const value = values?.[name];
    if (value === undefined) throw new Error(`internal: ${stem}: param "${name}" has no value`);
    if (type === "f32") floats[i] = value;
    else words[i] = value; // of an i32, its two's complement
  }
  return new Uint8Array(words.buffer);
}
