import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mul } from "../../kernels/broadcast.ts";
import { complexAbs } from "../../kernels/complex.ts";
import { rng } from "../../kernels/random.ts";
import { asComplex, reshape } from "../../kernels/reshape.ts";
import { parseNpy } from "../../src/io/npy.ts";
import { leastSquares } from "../../src/linalg/least_squares.ts";
import { magnitudeErrors } from "../../src/metrics/magnitude.ts";
import { espirit } from "../../src/physics/espirit.ts";
import { mri, rss } from "../../src/physics/mri.ts";
import { mriMask } from "../../src/physics/mri_masks.ts";
import { dispose, scope } from "../../src/tensor/scope.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { shared } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const file = (name: string) => shared(`data/mri/${name}.npy`);
const here = ["brain8_full96_ksp", "brain8_full96_sens", "brain8_full_ksp", "brain8_full_sens"].every(file);
if (!here) console.log("skipped: no data/mri/brain8_full*.npy; set PROXEL_SHARED to a folder that has them");

/** A file [coils, H, W] as a tensor [1, H, W, coils]. */
function coilsLast(name: string): Tensor {
  const { shape, data } = parseNpy(new Uint8Array(readFileSync(file(name) as string)), name);
  const [C, H, W] = shape as [number, number, number];
  const out = new Float32Array(data.length);
  for (let c = 0; c < C; c++)
    for (let i = 0; i < H * W; i++)
      for (let k = 0; k < 2; k++) out[2 * (i * C + c) + k] = Number(data[2 * (c * H * W + i) + k]);
  return tensor([1, H, W, C], out, "c64");
}

/** What zero-filling and CG-SENSE must reach at 4 times acceleration, NRMSE of magnitudes. Each is at most 1.5 times what was measured. */
test.skipIf(!here).each([
  ["brain8_full96", "equispaced", "given", 0.12],
  ["brain8_full96", "gaussian1d", "given", 0.16],
  ["brain8_full96", "equispaced", "estimated", 0.13],
  ["brain8_full", "equispaced", "given", 0.2],
  ["brain8_full", "gaussian1d", "given", 0.2],
  ["brain8_full", "equispaced", "estimated", 0.2],
] as const)("%s, 4x %s, maps %s: CG-SENSE against all of k-space", async (name, kind, which, limit) => {
  const [whole, mask, measured] = scope(() => {
    const whole = coilsLast(`${name}_ksp`);
    const mask = mriMask(kind, whole.shape.slice(1, 3), rng(0), { acceleration: 4 });
    return [whole, mask, mul(whole, mask)] as const;
  });
  const [, H, W, C] = whole.shape as [number, number, number, number];
  const maps = which === "given" ? coilsLast(`${name}_sens`) : await espirit(measured);
  const began = performance.now();
  const got = await evaluate(() => {
    const S = reshape(maps, [H, W, C]);
    const A = mri([H, W, 2], { mask, maps: S });
    const { x } = leastSquares(A, measured, { iterations: 12 });
    const truth = mri([H, W, 2], { maps: S }).adjoint(whole);
    return {
      x,
      zero: A.adjoint(measured),
      truth,
      rss: rss(whole),
      size: complexAbs(asComplex(reshape(truth, [1, H, W, 1, 2]))),
    };
  });
  const seconds = (performance.now() - began) / 1000;
  const count = (await mask.read()).reduce((a, b) => a + b, 0);
  dispose([whole, mask, measured, maps]);
  const cg = magnitudeErrors(got.x, got.truth, [H, W]);
  const zero = magnitudeErrors(got.zero, got.truth, [H, W]);
  console.log(
    `${name} ${kind} R ${((H * W) / count).toFixed(2)}, maps ${which}: NRMSE zero-filled ${zero.nrmse}, CG-SENSE ${cg.nrmse} ` +
      `(complex ${cg.nrmseComplex}, PSNR ${cg.psnr}, SSIM ${cg.ssim}), ${seconds.toFixed(1)} s`,
  );
  expect(cg.nrmse).toBeLessThan(limit);
  expect(cg.nrmse).toBeLessThan(0.6 * zero.nrmse);
  // all coils together see what each of them sees by itself
  const brightest = got.rss.reduce((a, b) => Math.max(a, b), 0);
  const gap = got.rss.map((v, i) => (got.size[i] ? v - (got.size[i] as number) : 0));
  expect(Math.min(...gap)).toBeGreaterThan(-1e-4 * brightest);
});
