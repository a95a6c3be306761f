import { lincomb } from "../../kernels/lincomb.ts";
import { ShapeError } from "../errors.ts";
import { fixed } from "../tensor/given.ts";
import { op, record, type Tape } from "../tensor/op.ts";
import { leaves, mapTree, scope, type Tree } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

export { constant } from "../tensor/op.ts";

/** Gradients by input tensor, of <dy, value>. With `consume`, the tape's saved tensors are let go as it is read. */
function replay(tape: Tape, xs: readonly Tensor[], value: Tensor, dy: Tensor, consume: boolean): Map<Tensor, Tensor> {
  if (tape.disposed) throw new TypeError("vjp: its tape is gone, with its scope or by dispose(); pull back before");
  if (!sameShape(dy.shape, value.shape))
    throw new ShapeError(`vjp: the value is [${value.shape}], the cotangent [${dy.shape}]`);
  const grads = new Map<Tensor, Tensor>([[value, dy]]);
  const wanted = new Set(xs);
  // several inputs may share one gradient tensor (that of an addition), so only what nobody needs goes
  const drop = (t: Tensor) => {
    if (t === dy) return;
    for (const g of grads.values()) if (g === t) return;
    t.dispose();
  };
  const { entries } = tape;
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i] as (typeof entries)[number];
    const g = grads.get(entry.out);
    if (g) {
      const added = scope(() => {
        const pulled = entry.pull(g, entry.needs);
        const out = new Map<Tensor, Tensor>();
        pulled.forEach((d, k) => {
          const to = entry.inputs[k];
          if (!d || !to || !entry.needs[k]) return;
          if (!sameShape(d.shape, to.shape))
            throw new Error(
              `internal: ${entry.name}: the gradient of input ${k} is [${d.shape}], the input [${to.shape}]`,
            );
          const before = out.get(to) ?? grads.get(to);
          out.set(to, before ? lincomb(1, before, 1, d) : d);
        });
        return [...out];
      });
      for (const [to, sum] of added) {
        const old = grads.get(to);
        grads.set(to, sum);
        if (old) drop(old);
      }
      if (!wanted.has(entry.out)) {
        grads.delete(entry.out);
        drop(g);
      }
    }
    if (consume) tape.drop();
  }
  return grads;
}

const zerosLike = (t: Tensor) => lincomb(0, t);

export interface Vjp<X extends readonly Tree[]> {
  value: Tensor;
  /** From a cotangent of the value to those of the inputs: J^T dy, zeros where nothing flows. */
  pullback(dy: Tensor): X;
  /** Frees what the tape holds; the enclosing scope does it otherwise. */
  dispose(): void;
}

/** The value of f at x, and the map from a cotangent of the value to one of x. */
export function vjp<X extends readonly Tree[]>(f: (...x: X) => Tensor, ...x: X): Vjp<X> {
  const xs = leaves(x);
  const { value, tape } = record(xs, () => f(...x));
  return {
    value,
    pullback: (dy) =>
      scope(() => {
        const grads = replay(tape, xs, value, dy, false);
        return mapTree(x, (t) => grads.get(t) ?? zerosLike(t));
      }),
    dispose: () => tape.dispose(),
  };
}

/** The function that gives f's value and its gradient, a tree like its argument. f must return one number. */
export function valueAndGrad<P extends Tree>(f: (params: P) => Tensor): (params: P) => { value: Tensor; grad: P } {
  return (params) =>
    scope(() => {
      const xs = leaves(params);
      const { value, tape } = record(xs, () => f(params));
      if (value.size !== 1)
        throw new ShapeError(`valueAndGrad: the function must return one number, got shape [${value.shape}]`);
      const grads = replay(tape, xs, value, tensor(value.shape, fixed([1])), true);
      return { value, grad: mapTree(params, (t) => grads.get(t) ?? zerosLike(t)) };
    });
}

/** f, remembering nothing of its inside: the gradient runs it again. Saves memory, costs one forward pass. */
export function checkpoint<X extends readonly Tree[]>(f: (...x: X) => Tensor): (...x: X) => Tensor {
  return (...x) => {
    const rebuild = (from: readonly Tensor[]): X => {
      let i = 0;
      return mapTree(x, () => from[i++]);
    };
    return op({
      name: "checkpoint",
      forward: (inputs) => ({ out: scope(() => f(...rebuild(inputs))), saved: inputs }),
      vjp(dy, saved: Tensor[], _, needs) {
        // only what is wanted is tracked, so that frozen parameters cost nothing; what came in twice is one tensor
        const wanted = saved.map((t, i) => needs[i] === true && saved.indexOf(t) === i);
        const xs = saved.filter((_, i) => wanted[i]);
        const { value, tape } = record(xs, () => f(...rebuild(saved)));
        if (!saved.includes(value)) value.dispose(); // nobody reads it; a tape that wants it has it
        const grads = replay(tape, xs, value, dy, true);
        return saved.map((t, i) => (wanted[i] ? grads.get(t) : null));
      },
    })(leaves(x), {});
  };
}
