/** What is made of many draws, and states that outlive a run. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diffpir } from "../../src/solvers/diffpir.ts";
import { pnpEdm } from "../../src/solvers/pnp_edm.ts";
import { posterior } from "../../src/solvers/posterior.ts";
import { loadState, saveState } from "../../src/solvers/saved.ts";
import { restore, type Solver } from "../../src/solvers/solver.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { normals } from "../lib/random.ts";
import { moments, problemOf } from "../lib/toy.ts";

withGpu();

test("mean and standard deviation of each pixel over the samples, far from zero too", async () => {
  const x = normals(5 * 12, 1).map((v, i) => v + (i % 12));
  const got = await evaluate(() => posterior(tensor([5, 2, 2, 3], x)));
  const pixels = Array.from({ length: 12 }, (_, k) => moments([0, 1, 2, 3, 4].map((n) => x[12 * n + k] as number)));
  expectClose(
    got.mean,
    Float64Array.from(pixels, (p) => p.mean),
    { l2: 1e-6 },
  );
  expectClose(
    got.std,
    Float64Array.from(pixels, (p) => p.std * Math.sqrt(5 / 4)),
    { l2: 1e-5 },
  );
  const one = await evaluate(() => posterior(tensor([1, 2, 2, 3], x.slice(0, 12))));
  expect([...one.std]).toEqual(new Array(12).fill(0));
});

test("eight samples of a run: their mean is nearer the posterior's than each is", async () => {
  const problem = problemOf({ c: 0.25, s: 0.5, y: 0.3, shape: [1, 16, 16, 1] });
  const x = await restore(problem, diffpir({ steps: 20 }), { samples: 8 });
  const summary = scope(() => posterior(x));
  const [mean, std, all] = [await summary.mean.read(), await summary.std.read(), await x.read()];
  expect(summary.mean.shape).toEqual([1, 16, 16, 1]);
  const within = moments(mean).std / moments(all).std;
  const level = moments(std).mean;
  console.log(
    `8 samples: std of the mean over that of a sample ${within.toFixed(3)} (.354), pixelwise ${level.toFixed(4)}`,
  );
  expect(within).toBeLessThan(0.45);
  expect(level / moments(all).std).toBeGreaterThan(0.85);
  dispose([x, summary, problem.y]);
});

const folder = mkdtempSync(join(tmpdir(), "proxel-state-"));
test.each([
  ["diffpir", diffpir({ steps: 6 })],
  ["pnp-edm", pnpEdm({ steps: 6, burnIn: 1, gridSteps: 6 })],
] as [string, Solver][])("%s goes on from a file exactly as it would have", async (name, solver) => {
  const problem = problemOf({ c: 0.25, s: 0.5, y: 0.3, shape: [2, 5, 7, 3] });
  const path = join(folder, `${name}.safetensors`);
  const seed = 11;
  const whole = await restore(problem, solver, {
    seed,
    onStep: async (step) => {
      if (step.i === 2) await saveState(path, step);
    },
  });
  const { state, from } = await loadState(path);
  expect(from).toBe(3);
  const rest = await restore(problem, solver, { seed, start: state, from });
  expect([...(await rest.read())]).toEqual([...(await whole.read())]);
  dispose([state, whole, rest, problem.y]);
});

test("a saved state keeps numbers, trees and types; other files are refused", async () => {
  const path = join(folder, "tree.safetensors");
  const tree = scope(() => {
    const x = tensor([1, 2], [1, 2]);
    return {
      x,
      x0: x,
      sigma: 0.25,
      more: { list: [tensor([2], [0.5, -3], "f16"), tensor([1, 2], [1, 2, 3, 4], "c64")] },
    };
  });
  await saveState(path, { ...tree, i: 0, steps: 3, nfe: 2, nbe: 0 });
  const { state, from } = await loadState(path);
  const back = state as unknown as typeof tree;
  expect([from, back.sigma, Object.keys(back)]).toEqual([1, 0.25, ["x", "x0", "sigma", "more"]]);
  expect(back.more.list.map((t) => [t.dtype, t.shape])).toEqual([
    ["f16", [2]],
    ["c64", [1, 2]],
  ]);
  expect([...(await (back.more.list[0] as typeof back.x).read())]).toEqual([0.5, -3]);
  expect([...(await (back.more.list[1] as typeof back.x).read())]).toEqual([1, 2, 3, 4]);
  dispose([tree, state]);
  const { formatSafetensors } = await import("../../src/weights/safetensors.ts");
  writeFileSync(path, formatSafetensors({}));
  await expect(loadState(path)).rejects.toThrow(
    "expected a solver's state as saveState writes it, got a file without one",
  );
  rmSync(folder, { recursive: true });
});
