import { gpu, openGpu } from "../gpu/open.ts";
import { contactSheet, type SheetRow } from "../io/contact_sheet.ts";
import { writePicture } from "../io/picture.ts";
import { scene } from "../io/scene.ts";
import { plan } from "../pieces.ts";
import { defaultSolver, solverFor, TASKS, type Task } from "../tasks.ts";
import { checkTarget, number, parse } from "./options.ts";
import { openPrior } from "./prior.ts";
import { interruptible } from "./progress.ts";
import { solve } from "./solve.ts";

const HELP = `proxel demo: restore a picture that this program draws, four tasks, one sheet

  proxel demo [--size N] [--steps N] [-o demo.png] [--json]`;

const TITLES: Record<Task, string> = {
  deblur: "deblur (Gaussian, 3 px)",
  sr: "2x super-resolution",
  inpaint: "inpaint (box)",
  denoise: "denoise",
};

export async function demo(argv: string[]): Promise<number> {
  const { values } = parse(argv, {
    size: { type: "string" },
    steps: { type: "string" },
    out: { type: "string", short: "o" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const size = number(values, "size", { min: 32, whole: true }) ?? 160;
  const steps = number(values, "steps", { min: 2, whole: true }) ?? 20;
  const out = values.out ?? "demo.png";
  await checkTarget(out, { force: true });
  const { signal, done } = interruptible();
  try {
    using _ = await openGpu();
    using denoiser = await openPrior(undefined);
    console.error(
      `demo: a ${size}x${size} scene on ${gpu().adapter}${gpu().software ? " (no GPU: this runs on the processor)" : ""}`,
    );
    const truth = scene({ width: size, height: size });
    const rows: SheetRow[] = [];
    const results = [];
    for (const task of TASKS) {
      const job = await plan(truth, task, { simulated: true, scale: 2 });
      const solverOf = (sigmaNoise: number) => solverFor(defaultSolver(task), task, sigmaNoise, { steps });
      const { picture, ...figures } = await solve(job, solverOf, denoiser, { seed: 0, signal, label: task.padEnd(8) });
      const [before, after] = [figures.psnrMeasurement ?? 0, figures.psnr ?? 0];
      console.error(
        `${TITLES[task].padEnd(24)} ${before.toFixed(2)} -> ${after.toFixed(2)} dB   ${figures.nfe} ${figures.nfe === 1 ? "call" : "calls"}, ${figures.seconds.toFixed(1)} s`,
      );
      rows.push({
        label: TITLES[task],
        under: ["", `${before.toFixed(2)} dB`, `${after.toFixed(2)} dB`],
        pictures: [truth, job.shown, picture],
      });
      results.push({ task, ...figures });
    }
    await writePicture(out, contactSheet(rows, { columns: ["truth", "measurement", "restored"], title: "Proxel" }), {
      force: true,
    });
    console.error(`demo: look at ${out}`);
    if (values.json) console.log(JSON.stringify({ adapter: gpu().adapter, size, output: out, images: results }));
    return 0;
  } finally {
    done();
  }
}
