import { where } from "../../kernels/broadcast.ts";
import { log, relu } from "../../kernels/elementwise.ts";
import { lincomb } from "../../kernels/lincomb.ts";
import type { Rng } from "../../kernels/random.ts";
import { iterate } from "../linalg/iterate.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What is drawn from: E = -log p + a constant, of each sample [N, 1, 1, 1], and its gradient. */
export interface Target {
  energy(x: Tensor): Tensor;
  slope(x: Tensor): Tensor;
}

export interface ChainOptions {
  method?: "langevin" | "metropolis" | "hmc";
  iterations?: number;
  /** Of "hmc". */
  momentum?: number;
}

/**
 * A Markov chain from x0, with steps e; z ~ N(0, 1). Only "metropolis" is exact at any e, and only it needs the energy.
 *   langevin     x = x - e slope + sqrt(2 e) z
 *   hmc          v = m v - sqrt(e) slope + sqrt(2 (1 - m)) z      x = x + sqrt(e) v,  v = z at first
 *   metropolis   x' = x + sqrt(e) z, taken with probability min(1, exp(E(x) - E(x'))), each sample by itself
 */
export function chain(
  { energy, slope }: Target,
  x0: Tensor,
  e: number,
  rng: Rng,
  { method = "langevin", iterations = 100, momentum: m = 0 }: ChainOptions,
): Tensor {
  const normal = () => rng.normal(x0.shape);
  const root = Math.sqrt(e);
  if (method === "langevin")
    return iterate(iterations, { x: x0 }, ({ x }) => ({ x: lincomb(1, x, -e, slope(x), Math.SQRT2 * root, normal()) }))
      .x;
  if (method === "hmc")
    return iterate(iterations, { x: x0, v: normal() }, ({ x, v }) => {
      const next = lincomb(m, v, -root, slope(x), Math.sqrt(2 * (1 - m)), normal());
      return { x: lincomb(1, x, root, next), v: next };
    }).x;
  return iterate(iterations, { x: x0, E: energy(x0) }, ({ x, E }) => {
    const tried = lincomb(1, x, root, normal());
    const E2 = energy(tried);
    const taken = relu(lincomb(1, E, -1, E2, -1, log(rng.uniform(E.shape))));
    return { x: where(taken, tried, x), E: where(taken, E2, E) };
  }).x;
}
