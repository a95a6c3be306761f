import { flat } from "../tensor/flat.ts";
import { dispose } from "../tensor/scope.ts";
import { type Tensor, upload } from "../tensor/tensor.ts";

export interface Figures {
  readonly loss: number;
  /** Of the gradient in all tensors. */
  readonly norm: number;
  /** The gradient in each number of the host. */
  readonly scalars: Readonly<Record<string, number>>;
}

export interface Gauges {
  readonly loss: Tensor;
  readonly normSquared: Tensor;
  readonly scalars: Readonly<Record<string, Tensor>>;
  /** What they show once everything recorded so far has run, each a sum over n micro-batches, as means; n times a loss scale. */
  read(n: number): Promise<Figures>;
  dispose(): void;
}

/** One-number tensors that a step writes, side by side so that one read brings them all. */
export function gauges(names: readonly string[]): Gauges {
  const { chunks, tree } = flat(
    Object.fromEntries(["loss", "norm", ...names.map((s) => `.${s}`)].map((s) => [s, [1]])),
  );
  const [whole, of] = [chunks[0] as Tensor, (name: string) => tree[name] as Tensor];
  upload(whole, new Float32Array(whole.size));
  return {
    loss: of("loss"),
    normSquared: of("norm"),
    scalars: Object.fromEntries(names.map((name) => [name, of(`.${name}`)])),
    async read(n) {
      const all = await whole.read();
      const at = (name: string) => all[of(name).offset / 4] as number;
      const grads = names.map((name) => [name, at(`.${name}`) / n]);
      return { loss: at("loss") / n, norm: Math.sqrt(at("norm")) / n, scalars: Object.fromEntries(grads) };
    },
    dispose: () => dispose([chunks, tree]),
  };
}

export const allFinite = ({ loss, norm, scalars }: Figures): boolean =>
  [loss, norm, ...Object.values(scalars)].every(Number.isFinite);
