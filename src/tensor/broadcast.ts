import { ShapeError } from "../errors.ts";
import type { Shape } from "./shape.ts";

/** The common shape of a and b: aligned at the right, an axis of 1 stretches. */
export function broadcastShape(name: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const p = a[i - rank + a.length] ?? 1;
    const q = b[i - rank + b.length] ?? 1;
    if (p !== q && p !== 1 && q !== 1)
      throw new ShapeError(`${name}: [${a}] and [${b}] do not broadcast: axis ${i - rank} is ${p} and ${q}`);
    return p === 1 ? q : p;
  });
}

export interface Axes {
  /** Innermost first. */
  dims: number[];
  /** Of each operand, in elements; 0 where it is constant. */
  strides: number[][];
}

/** The axes of `out`, merged wherever every operand runs on (or stays constant) from one to the next. */
export function mergedAxes(name: string, out: Shape, operands: readonly Shape[]): Axes {
  const dims: number[] = [];
  const strides: number[][] = operands.map(() => []);
  const reached = operands.map(() => 1);
  let previous = "";
  for (let i = 1; i <= out.length; i++) {
    const n = out.at(-i) as number;
    if (n === 1) continue;
    const runs = operands.map((s) => (s.at(-i) ?? 1) !== 1 && i <= s.length);
    const pattern = runs.join();
    if (pattern === previous) dims[dims.length - 1] = (dims.at(-1) as number) * n;
    else {
      dims.push(n);
      for (const [k, r] of runs.entries()) strides[k]?.push(r ? (reached[k] as number) : 0);
      previous = pattern;
    }
    runs.forEach((r, k) => {
      if (r) reached[k] = (reached[k] as number) * n;
    });
  }
  if (!dims.length) {
    dims.push(1);
    for (const s of strides) s.push(1);
  }
  if (dims.length > 5)
    throw new ShapeError(`${name}: [${operands.map((s) => `[${s}]`).join(", ")}] alternate over more than 5 axes`);
  return { dims, strides };
}
