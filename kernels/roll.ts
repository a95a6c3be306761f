import { op } from "../src/tensor/op.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { nhwc } from "./nhwc.ts";
import { gather } from "./pad.ts";

const turn = op<{ dy: number; dx: number }>({
  name: "roll",
  forward: ([x], { dy, dx }) => {
    const [, H, W] = (x as Tensor).shape as readonly [number, number, number];
    // whole turns are taken off here: the index map must stay within 32 bits
    const origin = [-(dy % H), -(dx % W)] as const;
    return { out: gather(x as Tensor, { size: [H, W], origin, mode: "circular" }) };
  },
  vjp: (g, _, { dy, dx }) => [roll(g, [-dy, -dx])],
});
const mirror = op<{ rows: boolean; columns: boolean }>({
  name: "flip",
  forward([x], { rows, columns }) {
    const [, H, W] = (x as Tensor).shape as readonly [number, number, number];
    const origin = [rows ? H - 1 : 0, columns ? W - 1 : 0] as const;
    return { out: gather(x as Tensor, { size: [H, W], origin, step: [rows ? -1 : 1, columns ? -1 : 1] }) };
  },
  vjp: (g, _, { rows, columns }): Tensor[] => [mirror([g], { rows, columns })],
});

/** The image moved down by dy and right by dx pixels; what leaves comes in on the other side. */
export function roll(x: Tensor, [dy, dx]: readonly [number, number]): Tensor {
  nhwc("roll", x);
  if (!Number.isInteger(dy) || !Number.isInteger(dx))
    throw new RangeError(`roll: shifts must be integers, got [${[dy, dx]}]`);
  return turn([x], { dy, dx });
}

/** The image mirrored along these axes: 1 turns it upside down, 2 swaps left and right. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  nhwc("flip", x);
  if (!axes.length || axes.some((a) => a !== 1 && a !== 2))
    throw new RangeError(`flip: axes are 1 (rows) and 2 (columns), got [${axes}]`);
  return mirror([x], { rows: axes.includes(1), columns: axes.includes(2) });
}
