import { basename, extname, join } from "node:path";
import { parseArgs } from "node:util";
import { makeFolder } from "#platform";
import { gpu, openGpu } from "../gpu/open.ts";
import { centreCrop, checkOutput, formatOf, writePicture } from "../io/picture.ts";
import { defaultSolver, measured, type Prepared, SOLVERS, simulate, solverFor, type Task } from "../tasks.ts";
import { dispose } from "../tensor/scope.ts";
import { number, oneOf, readInput, TASK_HELP, TASK_OPTIONS, taskFrom, taskOptions } from "./options.ts";
import { openPrior } from "./prior.ts";
import { interruptible } from "./progress.ts";
import { type Outcome, solve } from "./solve.ts";

const HELP = `proxel restore: restore pictures with a diffusion prior

  proxel restore PICTURE ... --task NAME [options] -o OUT

  PICTURE ...        PNG, JPEG, WebP, or a measurement in .npy
${TASK_HELP}; estimated when left out
  --simulate         degrade the picture first, so that the truth is known and PSNR can be told
                     (noise then is 0.05, 0.1 for denoise; the inpainting mask a box of a quarter of the side)
  --solver NAME      diffpir, or denoise (one call of the network)      [denoise for --task denoise, else diffpir]
  --steps N [20]     --seed N [0]     --lambda X   --zeta X             (diffpir)
  --prior FILE       weights                                            [the prior that comes with the package]
  --size N           the centre N x N of the picture only
  -o, --out OUT      a file, or a folder when there are several pictures
  -f, --force        replace what is there          --json   one object as the last line of stdout`;

export async function restore(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      ...TASK_OPTIONS,
      simulate: { type: "boolean" },
      solver: { type: "string" },
      steps: { type: "string" },
      lambda: { type: "string" },
      zeta: { type: "string" },
      prior: { type: "string" },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (!positionals.length) throw new TypeError("restore: which picture? `proxel restore --help` shows how");
  const { out } = values;
  if (!out) throw new TypeError("restore: say where the result goes: -o OUT.png");
  const task = taskFrom(values);
  const name = oneOf("--solver", values.solver ?? defaultSolver(task), SOLVERS);
  const noise = number(values, "noise", { above: 0 });
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  const size = number(values, "size", { min: 8, whole: true });
  const settings = {
    steps: number(values, "steps", { min: 1, whole: true }),
    lambda: number(values, "lambda", { above: 0 }),
    zeta: number(values, "zeta", { min: 0 }),
  };
  const options = await taskOptions(values, task);
  const many = positionals.length > 1 || !extname(out);
  const outputs = positionals.map((path) => (many ? join(out, `${basename(path, extname(path))}.png`) : out));
  const twice = outputs.find((path, i) => outputs.indexOf(path) !== i);
  if (twice) throw new TypeError(`restore: two pictures would both be written to ${twice}; restore them apart`);
  // everything is looked at before anything is computed
  const inputs = [];
  for (const [i, path] of positionals.entries()) {
    formatOf(outputs[i] as string);
    await checkOutput(outputs[i] as string, { force: values.force ?? false });
    const picture = await readInput(path);
    inputs.push(size === undefined ? picture : centreCrop(picture, size));
  }

  const began = performance.now();
  const { signal, done } = interruptible();
  try {
    using _ = await openGpu();
    using denoiser = await openPrior(values.prior);
    if (many) await makeFolder(out);
    const opened = (performance.now() - began) / 1000;
    const images: Row[] = [];
    let shared: { steps: number; noise: number } | undefined;
    for (const [i, input] of inputs.entries()) {
      const more = noise === undefined ? {} : { noise };
      const prepared: Prepared = values.simulate
        ? await simulate(input, task, { ...options, ...more, seed })
        : await measured(input, task, { ...options, ...more });
      const { sigmaNoise, estimated } = prepared;
      if (estimated)
        console.error(
          `${positionals[i]}: noise estimated at ${(sigmaNoise / 2).toFixed(4)} of the range; --noise says otherwise`,
        );
      const solver = solverFor(name, sigmaNoise, settings);
      shared ??= { steps: solver.steps, noise: sigmaNoise / 2 };
      const result = await solve(prepared, solver, denoiser, {
        seed,
        signal,
        task,
        label: basename(positionals[i] as string),
      });
      dispose([prepared.y, prepared.A.holds]);
      const { picture, ...figures } = result;
      await writePicture(outputs[i] as string, picture, { force: values.force ?? false });
      images.push({
        input: positionals[i] as string,
        output: outputs[i] as string,
        width: picture.width,
        height: picture.height,
        ...figures,
      });
      console.error(line(positionals[i] as string, outputs[i] as string, task, figures));
    }
    const { setupSeconds = 0 } = images[0] ?? {};
    const { steps = 0, noise: used = 0 } = shared ?? {};
    const head = {
      task,
      solver: name,
      steps,
      seed,
      noise: used,
      noiseSigned: 2 * used,
      adapter: gpu().adapter,
      setupSeconds: Number((opened + setupSeconds).toFixed(3)),
      peakBytes: gpu().pool.peakBytes,
    };
    if (values.json) {
      const { setupSeconds: _setup, ...first } = images[0] as Row;
      console.log(JSON.stringify({ ...head, ...first, images: images.map(({ setupSeconds: _s, ...image }) => image) }));
    }
    return 0;
  } finally {
    done();
  }
}

type Row = Omit<Outcome, "picture"> & { input: string; output: string; width: number; height: number };

function line(
  input: string,
  output: string,
  task: Task,
  { psnrMeasurement, psnr, seconds, nfe, residual }: Omit<Outcome, "picture">,
): string {
  const gain = psnr === null ? "" : ` PSNR ${psnrMeasurement?.toFixed(2)} -> ${psnr.toFixed(2)} dB,`;
  return `${input} -> ${output}: ${task},${gain} residual ${residual.toFixed(4)}, ${nfe} calls in ${seconds.toFixed(1)} s`;
}
