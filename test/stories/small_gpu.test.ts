// A picture that the adapter cannot hold at once is cut without being asked, and no buffer grows beyond what it binds.
import { expect, test } from "vitest";
import type { LoadedDenoiser } from "../../src/catalogue.ts";
import { solve } from "../../src/cli/solve.ts";
import { gaussian } from "../../src/diffusion/gaussian.ts";
import { openGpu } from "../../src/gpu/open.ts";
import { scene } from "../../src/io/scene.ts";
import { type JobOptions, plan } from "../../src/pieces.ts";
import { defaultSolver, solverFor, type Task } from "../../src/tasks.ts";
import { expectClose } from "../lib/close.ts";

const LEAST = 768 * 1024;
const picture = scene({ width: 320, height: 216 });
const denoiser = gaussian({ channels: 3 }) as LoadedDenoiser;

async function restored(task: Task, options: JobOptions, largestBuffer?: number) {
  using gpu = await openGpu(largestBuffer ? { largestBuffer } : {});
  const job = await plan(picture, task, options);
  const solverOf = (sigma: number) => solverFor(defaultSolver(task), task, sigma, { steps: 3 });
  const run = { seed: 1, signal: new AbortController().signal, label: task };
  const outcome = await solve(job, solverOf, denoiser, run);
  expect(gpu.live).toBe(0);
  return { ...outcome, peakBytes: gpu.pool.peakBytes };
}

test("denoised in the pieces that a small adapter binds, it is what a large one makes of the whole", async () => {
  const whole = await restored("denoise", { noise: 0.1 });
  const cut = await restored("denoise", { noise: 0.1 }, LEAST);
  expect([whole.pieces, cut.pieces]).toEqual([1, 6]);
  expectClose(cut.picture.data, whole.picture.data, { l2: 1e-6 });
  expect(cut.peakBytes).toBeLessThan(whole.peakBytes / 2);
  // and it would not have been able to do otherwise
  await expect(restored("denoise", { noise: 0.1, piece: 320 }, LEAST)).rejects.toThrow(/binds at most 786432/);
});

test.each(["deblur", "sr", "inpaint"] as const)(
  "%s, simulated and restored, stays within its buffers",
  async (task) => {
    const options = { simulated: true, blur: 1.5, noise: 0.02 };
    const whole = await restored(task, options);
    const cut = await restored(task, options, LEAST);
    expect(whole.pieces).toBe(1);
    expect(cut.pieces).toBeGreaterThan(2);
    expect([cut.picture.width, cut.picture.height]).toEqual([320, 216]);
    expect(Math.abs((cut.psnr as number) - (whole.psnr as number))).toBeLessThan(0.3);
  },
);

test("a limit that makes no sense is refused", async () => {
  await expect(openGpu({ largestBuffer: 10 })).rejects.toThrow("largestBuffer expects 1024 bytes or more, got 10");
});
