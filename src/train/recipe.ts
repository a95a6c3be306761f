import type { Rng } from "../../kernels/random.ts";
import type { SheetRow } from "../io/contact_sheet.ts";
import type { Params } from "../nets/net.ts";
import type { Flat } from "../tensor/flat.ts";
import type { Tree } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { HostAdamOptions } from "./host_adam.ts";
import type { AdamOptions } from "./optimiser.ts";

/** What a step knows beside its batch. */
export interface At {
  /** From 0. With an adversary, its steps count too. */
  readonly step: number;
  /** Depends on the seed, the step and the micro-batch only, so that a resumed run draws the same. `loss` goes on where `prepare` stopped. */
  readonly random: Rng;
  /** The numbers of `Recipe.scalars` as they are now. */
  readonly scalars: Readonly<Record<string, number>>;
  /** The adversary's parameters, if there is one. */
  readonly judge?: Params;
  /** The averaged parameters as they were before this step: a slower self to learn from. Constants to the gradient. */
  readonly average?: Params;
}

/**
 * A method of training: what it trains, on what, towards what. The trainer does the rest: steps, averages, checkpoints,
 * logs. `Batch` is a tree of tensors; the trainer frees it.
 */
export interface Recipe<Batch extends Tree = Tree> {
  readonly name: string;
  /** Everything that is trained, at its first values. What stays as it is (a frozen base) belongs to the recipe's maker. */
  init(random: Rng): Flat;
  /**
   * Numbers that are learned but that the host must see (they choose a time step, say): float64, by a host Adam. `loss`
   * finds each in `at.scalars`, and as a tensor [1] named so among its parameters, through which its gradient flows.
   */
  readonly scalars?: Readonly<Record<string, number>>;
  /** As published; who trains may ask for others. `rate` multiplies the schedule's learning rate. */
  readonly adam?: AdamOptions;
  readonly scalarAdam?: HostAdamOptions & { readonly rate?: number };
  batch(random: Rng): Promise<Batch>;
  /**
   * What is found without recording before the gradient is taken, as a fixed point is; runs outside every scope. The
   * batch that it gives may hold tensors of the one it got; the trainer frees both.
   */
  prepare?(params: Params, batch: Batch, at: At): Promise<Batch>;
  /** One number, of which the gradient in `params` is taken. */
  loss(params: Params, batch: Batch, at: At): Tensor;
  /** A judge that is trained in turn: the recipe has the even steps, its adversary the odd ones. */
  readonly adversary?: Adversary<Batch>;
  /** Rows of a sheet that shows how far it is, from averaged parameters. `at.random` is the same for each sheet. */
  sheet?(params: Params, at: At): Promise<readonly SheetRow[]>;
}

export interface Adversary<Batch extends Tree = Tree> {
  init(random: Rng): Flat;
  readonly adam?: AdamOptions & { readonly rate?: number };
  /** In the judge's parameters; those that are judged stay as they are. */
  loss(params: Params, batch: Batch, at: At & { readonly judged: Params }): Tensor;
}
