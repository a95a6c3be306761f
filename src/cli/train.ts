import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { exists, writeBytes } from "#platform";
import { loadTrainable } from "../catalogue.ts";
import { ProxelError } from "../errors.ts";
import { gpu, openGpu } from "../gpu/open.ts";
import { METHODS } from "../recipes.ts";
import {
  CHANGEABLE,
  type Common,
  type Method,
  scheduleOf,
  settingsOf,
  type Value,
  valuesOf,
} from "../recipes_shared.ts";
import { dispose } from "../tensor/scope.ts";
import { checkpointState, loadCheckpoint, saveCheckpoint } from "../train/checkpoint.ts";
import { measure } from "../train/measure.ts";
import { averaged, type Training, type TrainOptions, train as trainer, training } from "../train/trainer.ts";
import { openData } from "./data.ts";
import { nearest } from "./nearest.ts";
import { parse } from "./options.ts";
import { shippedPrior } from "./prior.ts";
import { interruptible, progress } from "./progress.ts";
import { estimate } from "./train_estimate.ts";
import { helpOf, optionsOf } from "./train_help.ts";
import { openLog } from "./train_log.ts";
import { writeSheet } from "./train_sheet.ts";

/** What a checkpoint keeps of the command, beside the training itself. */
interface Kept {
  /** Absent in those of before there were several. */
  readonly method?: string;
  readonly settings: Readonly<Record<string, Value | readonly string[]>>;
  readonly prior?: string;
  readonly step: number;
}

export async function train(argv: string[]): Promise<number> {
  const named = argv[0] !== undefined && !argv[0].startsWith("-");
  const name = named ? (argv[0] as string) : "edm";
  const method = METHODS[name];
  if (!method || !Object.hasOwn(METHODS, name)) {
    const names = Object.keys(METHODS);
    const near = nearest(name, names);
    throw new ProxelError(`train: no method "${name}"; ${near ? `did you mean ${near}?` : names.join(", ")}`);
  }
  const { values } = parse(named ? argv.slice(1) : argv, optionsOf(method));
  if (values.help) {
    console.log(helpOf(named ? name : undefined, method));
    return 0;
  }
  return values["dry-run"] ? dryRun(name, method, values) : run(name, method, values);
}

type Values = Readonly<Record<string, unknown>>;
const camel = (name: string) => name.replace(/-(\w)/g, (_, c: string) => c.toUpperCase());
/** What of it are settings of the method, by their names in code. */
const given = (values: Values, method: Method): Record<string, unknown> => {
  const all = settingsOf(method);
  const named = Object.entries(values).map(([name, value]) => [camel(name), value] as const);
  return Object.fromEntries(named.filter(([name]) => Object.hasOwn(all, name)));
};

interface Begun extends AsyncDisposable {
  readonly settings: Common & Record<string, Value>;
  readonly data: readonly string[];
  readonly prior: string | undefined;
  readonly made: Awaited<ReturnType<Method["make"]>>;
  readonly training: Training;
  readonly options: TrainOptions;
}

/** Opens the GPU, the data and the network, and puts the recipe at its first values. */
async function begin(method: Method, values: Values, before?: Kept): Promise<Begun> {
  const fresh = given(values, method);
  const anew = Object.fromEntries(CHANGEABLE.flatMap((key) => (key in fresh ? [[key, fresh[key]]] : [])));
  const settings = valuesOf(method, before ? given({ ...before.settings, ...anew }, method) : fresh);
  const data = (before?.settings.data ?? values.data ?? ["dead-leaves"]) as string[];
  const path = before ? before.prior : (values.prior as string | undefined);
  const prior = path ?? (method.prior === "wanted" ? shippedPrior() : undefined);
  const mix = await openData(data, settings);
  const on = await openGpu();
  try {
    const network = prior === undefined ? undefined : await loadTrainable(prior);
    const made = await method.make(settings as never, { data: mix, ...(network && { prior: network }) });
    const { seed, clip, weightDecay, ema, accumulate, every } = settings;
    const run = training(made.recipe, {
      ...{ seed, adam: { weightDecay, ...(clip > 0 && { maxNorm: clip }) } },
      lossScale: made.halves ?? false,
    });
    return {
      ...{ settings, data, prior, made, training: run },
      options: { schedule: scheduleOf(settings), emaDecay: ema, accumulate, every },
      async [Symbol.asyncDispose]() {
        run[Symbol.dispose]();
        made.dispose?.();
        network?.[Symbol.dispose]();
        on[Symbol.dispose]();
      },
    };
  } catch (error) {
    on[Symbol.dispose]();
    throw error;
  }
}

async function dryRun(name: string, method: Method, values: Values): Promise<number> {
  await using begun = await begin(method, values);
  const { training: run, options, settings, made } = begun;
  const told = estimate(name, made.about, settings, await measure(run, options), gpu().adapter);
  console.log(values.json ? JSON.stringify(told.facts) : told.words);
  return 0;
}

async function run(name: string, method: Method, values: Values): Promise<number> {
  const folder = values.out as string | undefined;
  if (!folder) throw new TypeError("train: say where the results go: -o FOLDER");
  const at = (file: string) => join(folder, file);
  const kept = at("checkpoint.safetensors");
  const found = await exists(kept);
  if (found && !values.resume)
    throw new ProxelError(`train: ${kept} is there; go on with --resume, or name another folder`);
  if (values.resume && !found) throw new ProxelError(`train: ${folder} has no checkpoint.safetensors to resume`);
  const before = found ? await checkpointState<Kept>(kept) : undefined;
  const was = before?.method ?? "edm";
  if (before && was !== name)
    throw new ProxelError(`train: ${folder} holds a run of ${was}; go on with \`proxel train ${was}\``);

  await using begun = await begin(method, values, before);
  const { settings, data, prior, made, training: state, options } = begun;
  if (before) await loadCheckpoint(kept, state);
  await mkdir(folder, { recursive: true });
  const log = await openLog(folder, state.step, `${name} in ${folder}`);
  console.error(
    `train: ${made.about}, ${settings.batch * settings.accumulate} tiles of ${settings.size}x${settings.size} a step, on ${gpu().adapter}`,
  );
  const { signal, done } = interruptible({ patience: Number.POSITIVE_INFINITY });
  const bar = progress("train", settings.steps);
  bar.update(state.step);
  const results = new Set<string>();
  const save = async () => {
    const of = { method: name, settings: { ...settings, data }, ...(prior !== undefined && { prior }) };
    await saveCheckpoint(kept, state, of);
    const { params, learned } = averaged(state);
    try {
      for (const [file, bytes] of Object.entries(await made.files(params, state.scalars.ema))) {
        await writeBytes(at(file), bytes);
        results.add(at(file));
      }
    } finally {
      dispose(learned);
    }
    await log.plot();
  };
  let last = { step: state.step, loss: Number.NaN };
  const crossed = (every: number, from: number) =>
    every > 0 && Math.floor(state.step / every) > Math.floor(from / every);
  try {
    // killed after the last checkpoint and before its results were written
    if (state.step >= settings.steps) await save();
    for await (const report of trainer(state, { ...options, signal })) {
      const from = last.step;
      last = report;
      const line = { ...report, seconds: Math.round(state.seconds), adapter: gpu().adapter };
      await log.add(line);
      bar.update(report.step, `loss ${report.loss.toFixed(4)} ${report.secondsPerStep.toFixed(2)} s/step`);
      const over = report.step === settings.steps || signal.aborted;
      if (over || crossed(settings.save, from)) await save();
      if (settings.sheets && (over || crossed(settings.sheets, from))) await writeSheet(folder, state);
    }
  } catch (error) {
    await log.plot();
    throw error;
  } finally {
    bar.stop();
    done();
  }
  const { peakBytes } = gpu().pool;
  const { seconds } = state;
  if (values.json) {
    const files = [...results];
    const own = files.find((file) => file.endsWith("prior.safetensors"));
    const facts = { method: name, ...settings, data, ...last, seconds, peakBytes, files };
    console.log(JSON.stringify(own ? { ...facts, prior: own } : facts));
  }
  if (signal.aborted) {
    const again = name === "edm" ? "proxel train" : `proxel train ${name}`;
    console.error(`train: stopped after step ${last.step}; go on with \`${again} -o ${folder} --resume\``);
    return 130;
  }
  console.error(`train: wrote ${[...results].join(", ")}`);
  return 0;
}
