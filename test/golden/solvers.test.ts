import { readFileSync } from "node:fs";
import { test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { loadDenoiser } from "../../src/catalogue.ts";
import { blur } from "../../src/physics/blur.ts";
import { diffpir } from "../../src/solvers/diffpir.ts";
import { edm } from "../../src/solvers/edm.ts";
import { type Problem, restore, type Sampling, type Solver } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc, type Stored, shared, stored } from "../lib/golden.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

const [weights, runs] = [shared("models/bootstrap.safetensors"), shared("models/bootstrap.solvers.safetensors")];
const here = weights !== undefined && runs !== undefined;
if (!here) console.log("skipped: no models/bootstrap*.safetensors; set PROXEL_SHARED to a folder that has them");

/** The pictures of the file as NHWC, and its noise levels. */
function given() {
  const { metadata } = parseSafetensors(new Uint8Array(readFileSync(runs as string)));
  const all = stored("models/bootstrap.solvers.safetensors") as Map<string, Stored>;
  return {
    levels: JSON.parse(metadata.sigmas as string) as number[],
    picture: (name: string) => nhwc(all.get(name) as Stored),
    psf: all.get("psf") as Stored,
  };
}

async function solved<P extends Problem | Sampling>(solver: Solver<P>, problem: P, x: ReturnType<typeof tensor>) {
  const out = await restore(problem, solver, { start: { x } });
  const got = await out.read();
  dispose([out, x]);
  return got;
}

test.skipIf(!here).each(["heun", "euler"] as const)(
  "edm %s with the bootstrap prior, from a given start",
  async (method) => {
    const { levels, picture } = given();
    using denoiser = await loadDenoiser(weights as string);
    const { shape, data } = picture("z");
    const x = scope(() => lincomb(levels[0] as number, tensor(shape, data)));
    const got = await solved(edm({ method, levels }), { denoiser, shape }, x);
    expectClose(got, picture(`edm_${method}`).data, { l2: 1e-3 });
  },
);

test.skipIf(!here)("diffpir without fresh noise, deblurring with the bootstrap prior", async () => {
  const { levels, picture, psf } = given();
  using denoiser = await loadDenoiser(weights as string);
  const { shape, data } = picture("z");
  const [k] = psf.shape as [number];
  const problem = scope(() => ({
    A: blur(shape, { psf: Array.from({ length: k }, (_, i) => [...psf.data.subarray(i * k, (i + 1) * k)]) }),
    y: tensor(shape, picture("y").data),
  }));
  const x = scope(() => lincomb(levels[0] as number, tensor(shape, data)));
  const solver = diffpir({ steps: levels.length - 1, levels, lambda: 8, zeta: 0 });
  const got = await solved(solver, { ...problem, denoiser, sigmaNoise: 0.1 }, x);
  dispose(problem);
  expectClose(got, picture("diffpir").data, { l2: 1e-3 });
});
