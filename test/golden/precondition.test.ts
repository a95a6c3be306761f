import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { affine } from "../../kernels/elementwise.ts";
import { type Network, precondition } from "../../src/diffusion/precondition.ts";
import { iddpmTable, vpSigma } from "../../src/diffusion/schedules.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { shared } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

interface Row {
  sigma: number;
  c_skip: number;
  c_out: number;
  c_in: number;
  c_noise: number;
  round_sigma: number;
}
interface Golden {
  rows: Row[];
  "sigma(t)"?: Record<string, number>;
  u?: Record<string, number>;
}
const path = shared("golden/edm_precond.json");
if (!path) console.log("skipped: no golden/edm_precond.json; set PROXEL_SHARED to a folder that has it");
const golden = (path ? JSON.parse(readFileSync(path, "utf8")) : {}) as Record<string, Golden>;

/** What the network adds to c_skip x is told apart by networks that give 0, 1 and their input. */
const PROBES: Network[] = [(x) => affine(x, 0, 0), (x) => affine(x, 0, 1), (x) => affine(x, 1, 0)];
const NAMES = { edm: "EDMPrecond", vp: "VPPrecond", ve: "VEPrecond", iddpm: "iDDPMPrecond" } as const;

test.skipIf(!path).each(Object.keys(NAMES) as (keyof typeof NAMES)[])(
  "%s agrees with the official code, row by row",
  async (name) => {
    const { rows } = golden[NAMES[name]] as Golden;
    const labels: number[] = [];
    const sigmas = rows.map(({ sigma }) => sigma);
    const n = sigmas.length;
    const out = await evaluate(() => {
      const ones = tensor([n, 1, 1, 1], new Float32Array(n).fill(1));
      return PROBES.map((F) => {
        const D = precondition[name](
          (x, noise) => {
            labels.push(...noise);
            return F(x, noise);
          },
          { channels: 1 },
        );
        return D(ones, sigmas);
      });
    });
    const D = precondition[name](PROBES[0] as Network);
    for (const [i, row] of rows.entries()) {
      const want = [row.c_skip, row.c_skip + row.c_out, row.c_skip + row.c_out * row.c_in];
      // the official coefficients are f32: c_skip of a large level keeps few digits of it
      for (const [k, v] of out.entries())
        expect(Math.abs((v[i] as number) - (want[k] as number)), `${name} at ${row.sigma}, probe ${k}`).toBeLessThan(
          1e-6 * Math.max(1, Math.abs(row.c_out)),
        );
      // labels of tiny VP levels are differences of numbers near 1, in f32 there
      expect(Math.abs((labels[i] as number) - row.c_noise), `${name} label at ${row.sigma}`).toBeLessThan(
        0.02 + 1e-5 * Math.abs(row.c_noise),
      );
      const rounded = D.round ? D.round(row.sigma) : row.sigma;
      expect(Math.abs(rounded - row.round_sigma), `${name} rounds ${row.sigma}`).toBeLessThan(1e-5 + 1e-5 * row.sigma);
    }
  },
);

test.skipIf(!path)("the schedules behind them", () => {
  for (const [t, s] of Object.entries(golden.VPPrecond?.["sigma(t)"] ?? {}))
    expect(vpSigma(Number(t)) / s).toBeCloseTo(1, 1);
  const u = iddpmTable();
  expect(Math.abs(precondition.iddpm(PROBES[0] as Network).sigmaMin - 0.006422337)).toBeLessThan(1e-5);
  for (const [j, s] of Object.entries(golden.iDDPMPrecond?.u ?? {}))
    expect(Math.abs((u[Number(j)] as number) - s)).toBeLessThan(1e-5 + 5e-6 * s);
});
