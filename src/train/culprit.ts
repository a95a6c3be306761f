import { sumSquares } from "../../kernels/reduce.ts";
import { watched } from "../tensor/op.ts";
import { detached, leaves, scope } from "../tensor/scope.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { gradient, type Pass } from "./step.ts";

interface Witness {
  readonly what: string;
  readonly shape: Shape;
  /** The sum of its squares: not finite where a number of it is not, or cannot be squared. */
  readonly squares: Promise<Float32Array>;
}

function witness(what: string, t: Tensor): Witness[] {
  if (t.dtype === "u32") return [];
  const sum = detached(() => sumSquares(t));
  const squares = sum.read(); // recorded here; the buffer may be reused after it
  sum.dispose();
  return [{ what, shape: t.shape, squares }];
}

const named = (tree: unknown, path: string): Witness[] =>
  tree instanceof Tensor
    ? witness(path, tree)
    : leaves(tree).length
      ? Object.entries(tree as object).flatMap(([key, value]) => named(value, `${path}.${key}`))
      : [];

async function firstOf(witnesses: readonly Witness[]): Promise<{ at: number; words: string } | undefined> {
  const sums = await Promise.all(witnesses.map(({ squares }) => squares));
  const at = sums.findIndex((s) => !Number.isFinite(s[0]));
  const { what, shape } = witnesses[at] ?? {};
  return at < 0 ? undefined : { at, words: `${what} [${shape}]` };
}

/**
 * Takes a gradient that is not finite once more, watching, and tells in words where that begins: in the batch, in a
 * parameter, in an op on the way to the loss, or on the way back. Undefined where everything is finite this time.
 */
export async function culprit(pass: Pass, batch: unknown): Promise<string | undefined> {
  const given = await firstOf([...named(batch, "the batch"), ...named(pass.params, "the parameter")]);
  if (given) return given.words.replace("parameter.", "parameter ");
  const seen: Witness[] = [];
  let forward = 0;
  const watch = (out: Tensor, name: string): undefined => void seen.push(...witness(name, out));
  const grads = scope(() => {
    const loss = (params: Pass["params"]): Tensor => {
      const value = pass.loss(params);
      forward = seen.length;
      return value;
    };
    const { grad } = watched(watch, () => gradient({ ...pass, loss }));
    return Object.entries(grad).flatMap(([name, g]) => witness(`the gradient of ${name}`, g));
  });
  const [op, grad] = [await firstOf(seen), await firstOf(grads)];
  if (op && op.at < forward) return `${op.words}, op ${op.at + 1} of ${forward} on the way to the loss`;
  const back = op && `${op.words}, op ${op.at + 1 - forward} of ${seen.length - forward} on the way back`;
  return [back, grad?.words].filter(Boolean).join("; ") || undefined;
}
