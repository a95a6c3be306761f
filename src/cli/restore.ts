import { basename, extname, join } from "node:path";
import { makeFolder } from "#platform";
import { ud2mSolver } from "../architectures_ud2m.ts";
import { gpu, openGpu } from "../gpu/open.ts";
import { centreCrop, type Picture, writePicture } from "../io/picture.ts";
import { plan } from "../pieces.ts";
import { ud2m } from "../solvers/ud2m.ts";
import { defaultSolver, type Mask, SOLVERS, solverFor, type Task } from "../tasks.ts";
import { MODELS, modelName, openModel } from "./model.ts";
import {
  checkTarget,
  isFolder,
  number,
  oneOf,
  parse,
  readInput,
  TASK_HELP,
  TASK_OPTIONS,
  taskFrom,
  taskOptions,
} from "./options.ts";
import { openPrior } from "./prior.ts";
import { interruptible } from "./progress.ts";
import { type Outcome, solve } from "./solve.ts";

const HELP = `proxel restore: restore pictures with a diffusion prior

  proxel restore PICTURE ... --task NAME [options] -o OUT

  PICTURE ...        PNG, JPEG, WebP, or a measurement in .npy ([H, W] or [H, W, 3] in 0..1)
${TASK_HELP}; estimated when left out
  --simulate         degrade the picture first, so that the truth is known and PSNR can be told
                     (noise is then 0.05, for denoise 0.1; the hole a box of a quarter of the sides)
  --solver NAME      denoise (one call of the network), diffpir, dps, pigdm, ddnm, ddrm, dds, daps, ddiff, ddiff-hqs,
                     diff-pnp-admm, diff-pnp-hqs, pnp-gd, pnp-admm, dpir, red-diff, pnp-edm, cm4ir, latino
                     [denoise for --task denoise, else diffpir]
  --steps N          [20; dps, ddiff*, diff-pnp-* and pnp-gd 40; pnp-admm 30; red-diff 60; dpir and latino 8;
                     cm4ir 4; of several calls each: daps 12, pnp-edm 19]
  --published        the solver as its paper sets it, for large priors: a thousand calls for some
  --lambda X [1; sr: 0.5]    --zeta X [1; dps: 1000/steps]    of diffpir, zeta of dps too
  --seed N [0]       draws other noise
  --samples N        the mean of N draws, and in OUT.std.png their deviation: white where it is a quarter of the range
  --prior FILE       weights [those that come with the package]
  --lora FILE        adapters for it, of proxel train lora or ud2m; those of ud2m bring their own solver
  --model FILE       a network that sees the measurement, of proxel train diff-unfolding, cedm, i2sb or cosign, or RAM; brings its solver
  --size N           the centre N x N of the picture only
  --piece N          restore in overlapping pieces of at most N pixels a side
                     [only where the adapter cannot hold the whole picture]
  -o, --out OUT      .png, .jpg or .webp; a folder when there are several pictures
  -f, --force        replace what is there
  --json             one object as the last line of stdout`;

/** The task of eval whose published settings it takes. */
const PUBLISHED_AS: Record<Task, string> = { deblur: "gaussian", sr: "sr", inpaint: "box", denoise: "denoise" };

export async function restore(argv: string[]): Promise<number> {
  const { values, positionals } = parse(
    argv,
    {
      ...TASK_OPTIONS,
      simulate: { type: "boolean" },
      solver: { type: "string" },
      steps: { type: "string" },
      lambda: { type: "string" },
      zeta: { type: "string" },
      samples: { type: "string" },
      prior: { type: "string" },
      lora: { type: "string" },
      model: { type: "string" },
      piece: { type: "string" },
      published: { type: "boolean" },
    },
    true,
  );
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (!positionals.length) throw new TypeError("which picture? `proxel restore --help` shows how");
  const { out } = values;
  if (!out) throw new TypeError("say where the result goes: -o OUT.png");
  const task = taskFrom(values);
  const seer = values.model === undefined ? undefined : await modelName(values.model);
  if (!seer && MODELS.some((name) => name === values.solver))
    throw new TypeError(
      `--solver ${values.solver} is a network that sees the measurement: give its file, --model FILE`,
    );
  // said twice is no contradiction
  const asked = values.solver === seer ? undefined : values.solver;
  const name = oneOf("--solver", asked ?? defaultSolver(task), SOLVERS);
  const noise = number(values, "noise", { above: 0 });
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  const size = number(values, "size", { min: 8, whole: true });
  const piece = number(values, "piece", { min: 8, whole: true });
  const settings = {
    steps: number(values, "steps", { min: 1, whole: true }),
    lambda: number(values, "lambda", { above: 0 }),
    zeta: number(values, "zeta", { min: 0 }),
    samples: number(values, "samples", { min: 1, whole: true }),
    ...(values.published && { published: PUBLISHED_AS[task] }),
  };
  const own = (["steps", "lambda", "zeta"] as const).find((key) => settings[key] !== undefined);
  if (values.published && own) throw new TypeError(`--published sets all of the solver; leave --${own} out`);
  const distilled = values.lora === undefined ? undefined : await ud2mSolver(values.lora);
  const given = { ...values, solver: asked };
  const foreign = (["solver", "lambda", "published"] as const).find((key) => given[key] !== undefined);
  const bringer = values.model ?? (distilled && values.lora);
  if (bringer && foreign) throw new TypeError(`${bringer} brings its own solver; leave --${foreign} out`);
  if (values.model && values.lora) throw new TypeError("--model is no prior for adapters; leave --lora out");
  const options = await taskOptions(values, task);
  const many = positionals.length > 1 || !extname(out) || isFolder(out);
  if (positionals.length > 1 && extname(out) && !isFolder(out))
    throw new TypeError(`${out}: one file for ${positionals.length} pictures; give a folder`);
  const outputs = positionals.map((path) => (many ? join(out, `${basename(path, extname(path))}.png`) : out));
  const twice = outputs.find((path, i) => outputs.indexOf(path) !== i);
  if (twice) throw new TypeError(`two pictures would both be written to ${twice}; restore them apart`);
  // everything is looked at before anything is computed
  const inputs: { path: string; output: string; picture: Picture; mask?: Mask | undefined }[] = [];
  if (many) await makeFolder(out);
  for (const [i, path] of positionals.entries()) {
    const output = outputs[i] as string;
    await checkTarget(output, { force: values.force ?? false });
    if ((settings.samples ?? 1) > 1) await checkTarget(deviationOf(output), { force: values.force ?? false });
    const whole = await readInput(path);
    const picture = size === undefined ? whole : centreCrop(whole, size);
    inputs.push({ path, output, picture, mask: maskFor(options.mask, picture, whole) });
  }

  const began = performance.now();
  const { signal, done } = interruptible();
  try {
    using _ = await openGpu();
    using denoiser = await openPrior(values.prior, values.lora);
    using seeing = values.model === undefined ? undefined : await openModel(values.model);
    const opened = (performance.now() - began) / 1000;
    const images: Row[] = [];
    let steps = 0;
    let setupSeconds = opened;
    for (const { path, output, picture: input, mask } of inputs) {
      const job = await plan(input, task, {
        ...options,
        ...(mask && { mask }),
        simulated: values.simulate,
        noise,
        seed,
        piece,
      });
      if (job.estimated) console.error(`${path}: noise estimated at ${job.noise.toFixed(4)}; --noise says otherwise`);
      const { steps: N, zeta } = settings;
      const solverOf = (sigmaNoise: number) =>
        seeing?.solver(settings) ??
        (distilled
          ? ud2m({ ...distilled, ...(N && { steps: N }), ...(zeta !== undefined && { zeta }) })
          : solverFor(name, task, sigmaNoise, settings));
      steps ||= solverOf(2 * job.noise).steps;
      const result = await solve(job, solverOf, denoiser, {
        seed,
        signal,
        label: basename(path),
        samples: settings.samples,
        model: seeing?.model,
      });
      const { picture, deviation, setupSeconds: setup, ...figures } = result;
      if (!images.length) setupSeconds += setup;
      await writePicture(output, picture, { force: values.force ?? false });
      if (deviation) await writePicture(deviationOf(output), deviation, { force: values.force ?? false });
      const { width, height } = picture;
      images.push({ input: path, output, width, height, noise: job.noise, noiseSigned: 2 * job.noise, ...figures });
      console.error(line(path, output, task, figures));
    }
    const { adapter, pool } = gpu();
    const round3 = (x: number) => Number(x.toFixed(3));
    const head = {
      task,
      solver: seeing?.name ?? (distilled ? "ud2m" : name),
      steps,
      seed,
      adapter,
      setupSeconds: round3(setupSeconds),
      peakBytes: pool.peakBytes,
    };
    if (values.json) console.log(JSON.stringify({ ...head, ...images[0], images }));
    return 0;
  } finally {
    done();
  }
}

/** Where the deviation of several draws goes: a.jpg to a.std.png. */
const deviationOf = (output: string): string => `${output.slice(0, -extname(output).length)}.std.png`;

/** The mask of the whole picture serves its centre too. */
function maskFor(mask: Mask | undefined, picture: Picture, whole: Picture): Mask | undefined {
  if (!mask || picture === whole || mask.width !== whole.width || mask.height !== whole.height) return mask;
  const { width, height } = mask;
  return centreCrop({ width, height, channels: 1, bits: 8, data: Float32Array.from(mask.data) }, picture.width);
}

type Figures = Omit<Outcome, "picture" | "deviation" | "setupSeconds">;
type Row = Figures & {
  input: string;
  output: string;
  width: number;
  height: number;
  noise: number;
  noiseSigned: number;
};

function line(input: string, output: string, task: Task, figures: Figures): string {
  const { psnrMeasurement, psnr, seconds, nfe, residual } = figures;
  const gain = psnr === null ? "" : ` PSNR ${psnrMeasurement?.toFixed(2)} -> ${psnr.toFixed(2)} dB,`;
  const peak = (gpu().pool.peakBytes / 2 ** 20).toFixed(0);
  return `${input} -> ${output}: ${task},${gain} residual ${residual.toFixed(4)}, ${nfe} ${nfe === 1 ? "call" : "calls"} in ${seconds.toFixed(1)} s, at most ${peak} MiB on the adapter`;
}
