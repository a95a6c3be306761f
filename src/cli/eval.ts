import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { listFolder, makeFolder } from "#platform";
import { ProxelError } from "../errors.ts";
import { EVAL_TASKS, type EvalTask, evalTask, measure, NONLINEAR, picturedMeasurement } from "../eval_tasks.ts";
import { type LoadedBlur, loadBlur, loadLpips } from "../eval_weights.ts";
import { gpu, openGpu } from "../gpu/open.ts";
import { shrunk } from "../io/folder.ts";
import { centreCrop, type Picture, readPicture, toRgb, writePicture } from "../io/picture.ts";
import { SOLVERS, type SolverName, solverFor } from "../tasks.ts";
import { dispose } from "../tensor/scope.ts";
import { pathOf, report } from "./eval_report.ts";
import { type Journal, openJournal } from "./eval_rows.ts";
import { type AnySolver, evaluate, type Outcome, type RunOptions, warmUp } from "./eval_run.ts";
import { modelName, type OpenedModel, openModel } from "./model.ts";
import { number, oneOf, parse } from "./options.ts";
import { openPrior, shippedPrior } from "./prior.ts";
import { interruptible, type Progress, progress } from "./progress.ts";
import { version } from "./version.ts";

const HELP = `proxel eval: every solver on every task on a folder of pictures, as a table

  proxel eval --images DIR --tasks A,B --solvers C,D [options] -o FOLDER

  --images DIR       PNG, JPEG or WebP, in the order of their names
  --tasks A,B        ${EVAL_TASKS.join(", ")};
                     nonlinear with --blur FILE, the network of Tran et al. (GOPRO_wVAE.pth)
  --solvers C,D      ${SOLVERS.join(", ")}
                     NAME:N takes N steps, NAME:published what its paper does (a thousand calls for some);
                     solvers that need a linear task skip the others
  -o, --out FOLDER   rows.jsonl, results.json, table.md, index.html and the pictures go there; given
                     again, what is done is not done again, and more tasks, solvers or pictures are added
  --model FILE       one more solver: a network that sees the measurement, of proxel train diff-unfolding or cedm, or
                     RAM; repeatable
  --prior FILE       weights [those that come with the package]
  --limit N          the first N pictures
  --shrink N         means of N x N pixels first       --size N    then the centre N x N
  --steps N          of every solver [its own]
  --noise X [0.025]  standard deviation, black being 0 and white 1: 0.05 of pictures in [-1, 1]
  --seed N [0]       decides, with its name and the task's, what is drawn for a picture: the same for all solvers
  --lpips FILE       weights of LPIPS; given twice, a trunk of torchvision's and the heads for it
  --json             the table as one object, the last line of stdout`;

/** A solver as it was asked for: `dps`, `dps:100` or `dps:published`. */
interface Contestant {
  label: string;
  solver: SolverName;
  steps: number | undefined;
  published: boolean;
  /** The file of a network that sees the measurement, which brings its solver. */
  model?: string;
}
interface Pair extends Contestant {
  task: EvalTask;
}
type Given = Pick<RunOptions, "lpips" | "signal"> & { prior: string };
interface Plan {
  images: string;
  out: string;
  /** Pictures, and what is to be done with each. */
  names: readonly string[];
  pairs: readonly Pair[];
  noise: number;
  seed: number;
  size: number | undefined;
  shrink: number;
}

export async function evaluation(argv: string[]): Promise<number> {
  const { values } = parse(argv, {
    images: { type: "string" },
    tasks: { type: "string" },
    solvers: { type: "string" },
    out: { type: "string", short: "o" },
    prior: { type: "string" },
    size: { type: "string" },
    shrink: { type: "string" },
    limit: { type: "string" },
    steps: { type: "string" },
    noise: { type: "string" },
    seed: { type: "string" },
    lpips: { type: "string", multiple: true },
    blur: { type: "string" },
    model: { type: "string", multiple: true },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  let blur: LoadedBlur | undefined;
  const plan = await planned(values, values.blur === undefined ? undefined : () => blur as LoadedBlur);
  const { out, noise, seed, size, shrink, pairs, names } = plan;
  const [prior, judges] = [values.prior ?? shippedPrior(), values.lpips ?? []];
  await makeFolder(out);
  const journal = await openJournal(out, {
    version: version(),
    noise,
    seed,
    size: size ?? null,
    shrink,
    prior: `${basename(prior)}, ${statSync(prior).size} bytes`,
    lpips: judges.map((file) => basename(file)).join(" + ") || null,
  });
  const { signal, done } = interruptible();
  const bar = progress("eval", names.length * pairs.length);
  try {
    using _ = await openGpu();
    using lpips = judges.length ? await loadLpips(judges) : undefined;
    using blurring = values.blur === undefined ? undefined : await loadBlur(values.blur);
    blur = blurring;
    const left = await contest(plan, journal, bar, { prior, lpips, signal });
    bar.stop();
    const results = await report(out, journal, pairs);
    if (values.json) console.log(JSON.stringify(results));
    const page = join(out, "index.html");
    console.error(
      `eval: ${journal.rows.length} runs -> ${page}${left ? `; ${left} are left: the same command goes on` : ""}`,
    );
    return left ? 130 : 0;
  } finally {
    bar.stop();
    done();
  }
}

/** What was asked for, looked at before anything is computed. */
async function planned(
  values: Record<string, string | boolean | string[] | undefined>,
  blur: (() => LoadedBlur) | undefined,
): Promise<Plan> {
  const { images, out } = values as { images?: string; out?: string };
  if (!images) throw new TypeError("say where the pictures are: --images DIR");
  if (!out) throw new TypeError("say where the results go: -o FOLDER");
  const steps = number(values, "steps", { min: 1, whole: true });
  const tasks = listed(values, "tasks").map((name) => {
    const task = evalTask(name, blur);
    if (!task && name === "nonlinear") throw new TypeError("nonlinear: give the blurring network, --blur FILE");
    if (!task) oneOf("--tasks", name, EVAL_TASKS); // says which there are
    return task as EvalTask;
  });
  const models = (values.model as string[] | undefined) ?? [];
  const names = models.length && values.solvers === undefined ? [] : listed(values, "solvers");
  const contestants = names.map((label): Contestant => {
    const [, name, own] = /^(.*?)(?::(\d+|published))?$/.exec(label) ?? [];
    const solver = oneOf("--solvers", name, SOLVERS);
    return {
      label,
      solver,
      published: own === "published",
      steps:
        own === undefined || own === "published" ? steps : number({ steps: own }, "steps", { min: 1, whole: true }),
    };
  });
  for (const model of models) {
    const label = `${await modelName(model)} ${basename(model)}`;
    if (contestants.some((c) => c.label === label))
      throw new TypeError(`--model ${model}: another one is called ${label} too; rename the file`);
    contestants.push({ label, solver: "denoise", steps, published: false, model });
  }
  const pairs = tasks.flatMap((task) =>
    contestants
      .filter(({ solver, model }) => task.linear || (!model && NONLINEAR.has(solver)))
      .map((c): Pair => ({ task, ...c })),
  );
  if (!pairs.length)
    throw new TypeError(
      `none of these solvers takes these tasks, which are not linear; ${[...NONLINEAR].join(", ")} do`,
    );
  return {
    images,
    out,
    pairs,
    names: (await picturesIn(images)).slice(0, number(values, "limit", { min: 1, whole: true })),
    noise: number(values, "noise", { min: 0 }) ?? 0.025,
    seed: number(values, "seed", { min: 0, whole: true }) ?? 0,
    size: number(values, "size", { min: 8, whole: true }),
    shrink: number(values, "shrink", { min: 1, whole: true }) ?? 1,
  };
}

function listed(values: Record<string, unknown>, name: string): string[] {
  const names = String(values[name] ?? "")
    .split(",")
    .map((part) => part.trim());
  const found = [...new Set(names.filter(Boolean))];
  if (!found.length) throw new TypeError(`say which: --${name} A,B`);
  return found;
}

async function picturesIn(folder: string): Promise<string[]> {
  const names = (await listFolder(folder))?.filter((name) => /^[^.].*\.(png|jpe?g|webp)$/i.test(name));
  if (!names) throw new ProxelError(`${folder}: expected a folder of pictures, got a file`);
  if (!names.length) throw new ProxelError(`${folder}: expected PNG, JPEG or WebP pictures in this folder, got none`);
  return names.sort();
}

/**
 * Runs what the journal has not, one solver after another, each with a prior just loaded: what the one before left on the
 * adapter would count as its memory. Tells how many runs are left when it was stopped.
 */
async function contest(plan: Plan, journal: Journal, bar: Progress, given: Given): Promise<number> {
  const { names, pairs } = plan;
  const total = names.length * pairs.length;
  const has = (picture: string, { task, label }: Pair) => journal.has({ picture, task: task.name, solver: label });
  let left = total;
  for (const picture of names) left -= pairs.filter((pair) => has(picture, pair)).length;
  const tell = (note: string) => bar.update(total - left, note);
  tell("");
  try {
    for (const label of new Set(pairs.map((pair) => pair.label))) {
      const own = pairs.filter((pair) => pair.label === label);
      const open = names.filter((picture) => own.some((pair) => !has(picture, pair)));
      if (!open.length) continue;
      const others = gpu().pool.liveBytes;
      using denoiser = await openPrior(given.prior);
      const file = own[0]?.model;
      using seeing = file === undefined ? undefined : await openModel(file);
      const warm = new Set<string>();
      for (const name of open) {
        const picture = await prepared(join(plan.images, name), plan);
        for (const pair of own.filter((pair) => !has(name, pair))) {
          const note = `${name} ${pair.task.name} ${label}`;
          const onStep = (part: number) => tell(`${note} ${Math.round(100 * part)} %`);
          const outcome = await one(pair, name, picture, plan, warm, { ...given, denoiser, seeing, others, onStep });
          await journal.add({ picture: name, task: pair.task.name, solver: label, ...outcome });
          if (outcome.error !== undefined) console.error(`eval: ${note}: ${outcome.error}`);
          left--;
          tell(note);
        }
      }
      await report(plan.out, journal, pairs); // so that a long evaluation can be looked at
    }
  } catch (error) {
    if (!given.signal.aborted) throw error;
  }
  return left;
}

async function prepared(path: string, { shrink, size }: Plan): Promise<Picture> {
  const { alpha: _, ...opaque } = await readPicture(path);
  const small = shrunk(toRgb(opaque), shrink);
  return size === undefined ? small : centreCrop(small, size);
}

/** One run: measured, warmed up where this solver has not seen the shape, restored, judged, its pictures written. */
async function one(
  { task, solver, label, steps, published }: Pair,
  name: string,
  picture: Picture,
  { out, noise, seed }: Plan,
  warm: Set<string>,
  { seeing, ...given }: RunOptions & { seeing: OpenedModel | undefined },
): Promise<Outcome> {
  const options: RunOptions = { ...given, model: seeing?.model };
  const measured = await measure(picture, task, { sigmaNoise: 2 * noise, seed, name });
  try {
    const save = (what: string, p: Picture) => saved(join(out, pathOf(name, task.name, what)), p);
    await save("truth", measured.truth);
    await save("measured", await picturedMeasurement(measured, task));
    const settings = { steps, ...(published && { published: task.name }) };
    const method = (seeing?.solver(settings) ??
      solverFor(solver, task.kind, measured.sigmaNoise, settings)) as unknown as AnySolver;
    const shape = `${task.name} ${measured.A.domain}`;
    if (!warm.has(shape)) await warmUp(method, measured, options);
    warm.add(shape);
    const { outcome, picture: found } = await evaluate(method, measured, task, options);
    if (found) await save(label, found);
    return outcome;
  } finally {
    dispose([measured.y, measured.A.holds]);
  }
}

async function saved(path: string, picture: Picture): Promise<void> {
  await makeFolder(dirname(path));
  await writePicture(path, picture, { force: true });
}
