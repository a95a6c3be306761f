import { conv2d } from "../../kernels/conv2d.ts";
import { relu } from "../../kernels/elementwise.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module, Params } from "./net.ts";

/** A network whose features are compared: x [N, H, W, 3] to what it holds at its taps, after ReLU. */
export interface Trunk extends Module<[x: Tensor], Tensor[]> {
  /** Channels of each tap. */
  readonly widths: readonly number[];
}

export interface Stage {
  run(p: Params, x: Tensor): Tensor;
  /** Its result is one of the trunk's. */
  tap?: boolean;
}

/** Convolution and ReLU, by their name in the checkpoint. */
export const convRelu = (p: Params, name: string, x: Tensor, window: { stride?: number; padding?: number }): Tensor =>
  relu(conv2d(x, p[`${name}.weight`] as Tensor, { bias: p[`${name}.bias`], ...window }));

/** One stage after another; what the taps give stays, the rest goes as soon as it was read. */
export function through(stages: readonly Stage[], p: Params, x: Tensor): Tensor[] {
  return scope(() => {
    const taps: Tensor[] = [];
    let h = x;
    for (const { run, tap } of stages) {
      const before = h;
      h = scope(() => run(p, before));
      if (tap) taps.push(h);
      if (before !== x && !taps.includes(before)) before.dispose();
    }
    return taps;
  });
}

/** Tiny networks for tests: every count of channels times this. 1 is the published one. */
export const scaled =
  (width: number) =>
  (channels: number): number =>
    Math.max(1, Math.round(channels * width));
