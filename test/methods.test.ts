import { expect, test } from "vitest";
import { lincomb } from "../kernels/lincomb.ts";
import { rng } from "../kernels/random.ts";
import { gaussian } from "../src/diffusion/gaussian.ts";
import { METHOD_NAMES, METHODS } from "../src/methods.ts";
import { blur } from "../src/physics/blur.ts";
import { superResolution } from "../src/physics/downsample.ts";
import { jpeg } from "../src/physics/jpeg.ts";
import { restore } from "../src/solvers/solver.ts";
import { SOLVERS, solverFor } from "../src/tasks.ts";
import { dispose, scope } from "../src/tensor/scope.ts";
import { relativeL2 } from "./lib/close.ts";
import { withGpu } from "./lib/gpu.ts";

withGpu();

// without noise put back the network soon sees what it was not trained on; the others must come near
const LOST = new Set(["diff-pnp-admm", "diff-pnp-hqs"]);

test.each(METHOD_NAMES)("%s solves a blur by its name", async (name) => {
  const shape = [1, 16, 16, 3];
  const { A, y, truth, denoiser } = scope(() => {
    const A = blur(shape, { gaussian: 0.5 });
    const truth = lincomb(0.3, rng(1).normal(shape));
    return { A, truth, y: A.apply(truth), denoiser: gaussian({ variance: 0.09, channels: 3 }) };
  });
  expect(SOLVERS).toContain(name);
  const x = await restore({ A, y, sigmaNoise: 0.1, denoiser }, solverFor(name, "deblur", 0.1));
  const error = relativeL2(await x.read(), await truth.read());
  console.log(`${name}: error ${error.toFixed(2)}`);
  expect(error).toBeLessThan(LOST.has(name) ? 10 : 0.6);
  dispose([x, y, truth, A.holds]);
});

test("published: the papers' numbers of steps, for every task of eval", () => {
  const names = SOLVERS.filter((name) => name !== "denoise");
  const steps = (task: string) =>
    Object.fromEntries(names.map((name) => [name, solverFor(name, "deblur", 0.05, { published: task }).steps]));
  expect(steps("gaussian")).toEqual({
    ...{ diffpir: 100, dps: 1000, pigdm: 100, ddnm: 100, ddrm: 20, dds: 50, daps: 200, ddiff: 1000, "ddiff-hqs": 1000 },
    ...{ "diff-pnp-admm": 1000, "diff-pnp-hqs": 1000, "pnp-gd": 500, "pnp-admm": 30, dpir: 8, "red-diff": 1000 },
    ...{ "pnp-edm": 100, cm4ir: 4, latino: 8 },
  });
  expect(steps("box").diffpir).toBe(20);
  for (const task of ["sr4", "motion", "random", "hdr", "phase", "jpeg10", "denoise", "nonlinear"])
    expect(Object.values(steps(task)).every((n) => n > 0)).toBe(true);
});

test("what operators stretch: daps does not overshoot on JPEG, dds is held to a mean of blocks", async () => {
  const shape = [1, 16, 16, 3];
  const { A, B, y, small, truth, denoiser } = scope(() => {
    const [A, B] = [jpeg(shape, { quality: 50 }), superResolution(shape, 4)];
    const truth = lincomb(0.3, rng(1).normal(shape));
    const denoiser = gaussian({ variance: 0.09, channels: 3 });
    return { A, B, truth, y: A.apply(truth), small: B.apply(truth), denoiser };
  });
  // run() throws where a state is not finite
  const x = await restore({ A, y, sigmaNoise: 0.05, denoiser }, METHODS.daps(0.05, {}));
  const seen = scope(() => A.apply(x));
  expect(relativeL2(await seen.read(), await y.read())).toBeLessThan(0.5);
  const z = await restore({ A: B, y: small, sigmaNoise: 0.05, denoiser }, METHODS.dds(0.05, {}));
  const mean = scope(() => B.apply(z));
  expect(relativeL2(await mean.read(), await small.read())).toBeLessThan(0.2);
  dispose([x, z, seen, mean, y, small, truth, A.holds, B.holds]);
});
