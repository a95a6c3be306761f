import { gpu } from "../gpu/open.ts";
import { BYTES, type DType, type Shape, sizeOf } from "./shape.ts";
import { empty, Tensor } from "./tensor.ts";

const ALIGN = 256; // offsets of storage bindings

/** Tensors that sit side by side in a few big buffers, so that an optimiser passes over them at once. */
export interface Flat {
  /** The buffers whole. The gaps between slices are zero, and stay so under every optimiser. */
  readonly chunks: Tensor[];
  readonly tree: Record<string, Tensor>;
}

/** Uninitialised parameters of these shapes, in as many buffers as the binding limit asks for. */
export function flat(shapes: Readonly<Record<string, Shape>>, dtype: DType = "f32"): Flat {
  const { device } = gpu();
  const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize) & ~(ALIGN - 1);
  const plan: { end: number; names: { name: string; offset: number }[] }[] = [];
  for (const [name, shape] of Object.entries(shapes)) {
    const bytes = Math.ceil((sizeOf(shape) * BYTES[dtype]) / ALIGN) * ALIGN;
    let chunk = plan.at(-1);
    if (!chunk || chunk.end + bytes > most) plan.push((chunk = { end: 0, names: [] }));
    chunk.names.push({ name, offset: chunk.end });
    chunk.end += bytes;
  }
  const tree: Record<string, Tensor> = {};
  const chunks = plan.map(({ end, names }) => {
    const whole = empty([end / BYTES[dtype]], dtype);
    for (const { name, offset } of names) {
      const slice = new Tensor(shapes[name] as Shape, dtype, whole.storage, offset);
      tree[name] = slice;
      const from = offset + (slice.bytes & ~3);
      const to = offset + Math.ceil(slice.bytes / ALIGN) * ALIGN;
      if (to > from)
        whole.storage.gpu.recording.add({
          kind: "write",
          to: whole.storage.block,
          offset: from,
          data: new Uint8Array(to - from),
        });
    }
    return whole;
  });
  return { chunks, tree };
}
