import type { LinearOperator } from "../linalg/operator.ts";
import { pinv } from "../linalg/prox_l2.ts";
import type { Problem, Solver } from "./solver.ts";

/**
 * One forward pass of a network that sees the measurement (RAM [Terris 2025], or any other `model` of the problem).
 *   x = model(y, A; sigmaNoise)
 * The denoiser is not asked.
 */
export function ram(): Solver<Problem<LinearOperator>> {
  return {
    name: "ram",
    steps: 1,
    init({ y, A, sigmaNoise }) {
      const x = pinv(A, y, (2 * sigmaNoise) ** 2);
      return { x, x0: x, sigma: sigmaNoise };
    },
    step({ y, A, sigmaNoise, model }) {
      if (!model)
        throw new TypeError("ram: expected a problem with a `model`, a network that sees the measurement; got none");
      const x = model(y, A, { sigma: sigmaNoise });
      return { x, x0: x, sigma: 0 };
    },
  };
}
