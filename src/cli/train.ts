import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { exists, writeBytes } from "#platform";
import { rng } from "../../kernels/random.ts";
import { prior } from "../catalogue.ts";
import { ProxelError } from "../errors.ts";
import { gpu, openGpu } from "../gpu/open.ts";
import { countParameters, initParams } from "../nets/net.ts";
import { checkpointState, loadCheckpoint, saveCheckpoint } from "../train/checkpoint.ts";
import { drawBatch } from "../train/data.ts";
import { edmLoss } from "../train/edm_loss.ts";
import { loop } from "../train/loop.ts";
import { adam } from "../train/optimiser.ts";
import { paramBytes } from "../weights/params.ts";
import { openData } from "./data.ts";
import { parse } from "./options.ts";
import { interruptible, progress } from "./progress.ts";

const HELP = `proxel train: train a denoising prior on your pictures

  proxel train -o FOLDER [--data WHAT[:WEIGHT] ...] [options]

  --data WHAT        a folder of pictures, an atlas's .json, or dead-leaves (made on the fly); repeatable   [dead-leaves]
  -o, --out FOLDER   checkpoint.safetensors, prior.safetensors (EMA, f16) and log.jsonl go there
  --resume           go on from the checkpoint in FOLDER, exactly as if the run had not stopped
  --steps N [4000]   --batch N [24]   --size N [64]   --seed N [0]
  --lr X [1e-3]      --lr-end X [5e-6]   --warmup N [200]   --clip X [1]   --ema X [0.999]
  --log-mean X [-1.4]  --log-std X [1.3]     ln sigma ~ N(mean, std^2), signed units
  --channels N [32]  --multipliers A,B,C [1,2,4]  --blocks N [1]  --space-to-depth N [2]
  --every N [20]     steps between two lines of the log   --save N [200]   steps between two checkpoints
  --json             one object as the last line of stdout`;

const OPTIONS = {
  out: { type: "string", short: "o" },
  data: { type: "string", multiple: true },
  resume: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  multipliers: { type: "string" },
  ...Object.fromEntries(
    [
      "steps",
      "batch",
      "size",
      "seed",
      "lr",
      "lr-end",
      "warmup",
      "clip",
      "ema",
      "log-mean",
      "log-std",
      "channels",
      "blocks",
      "space-to-depth",
      "every",
      "save",
    ].map((name) => [name, { type: "string" as const }]),
  ),
} as const;

const DEFAULTS = {
  steps: 4000,
  batch: 24,
  size: 64,
  seed: 0,
  lr: 1e-3,
  lrEnd: 5e-6,
  warmup: 200,
  clip: 1,
  ema: 0.999,
  logMean: -1.4,
  logStd: 1.3,
  channels: 32,
  blocks: 1,
  spaceToDepth: 2,
  every: 20,
  save: 200,
};
type Settings = typeof DEFAULTS & { multipliers: number[]; data: string[] };

interface State {
  step: number;
  seconds: number;
  settings: Settings;
}

const camel = (name: string) => name.replace(/-(\w)/g, (_, c: string) => c.toUpperCase());

function settingsFrom(values: Record<string, unknown>): Settings {
  const settings = { ...DEFAULTS, multipliers: [1, 2, 4], data: ["dead-leaves"] };
  for (const [name, value] of Object.entries(values)) {
    const key = camel(name) as keyof typeof DEFAULTS;
    if (!(key in DEFAULTS)) continue;
    const n = Number(value);
    const whole = Number.isInteger(DEFAULTS[key]) && !["clip"].includes(key);
    if (!Number.isFinite(n) || (!/^log/.test(key) && n < 0) || (whole && !Number.isInteger(n)))
      throw new RangeError(`train: --${name} expects a ${whole ? "whole number from 0 up" : "number"}, got ${value}`);
    settings[key] = n;
  }
  if (typeof values.multipliers === "string") settings.multipliers = values.multipliers.split(",").map(Number);
  if (settings.multipliers.some((m) => !(m > 0)))
    throw new RangeError(`train: --multipliers expects numbers like 1,2,4, got ${values.multipliers}`);
  if (Array.isArray(values.data)) settings.data = values.data as string[];
  for (const key of ["steps", "batch", "size", "every", "save", "blocks", "spaceToDepth", "channels"] as const)
    if (settings[key] < 1) throw new RangeError(`train: ${key} must be at least 1, got ${settings[key]}`);
  return settings;
}

export function metadataOf({ size, channels, multipliers, blocks, spaceToDepth }: Settings): Record<string, string> {
  const side = 3 * spaceToDepth ** 2;
  return {
    architecture: "adm_unet",
    config: JSON.stringify({
      image_size: size,
      in_channels: side,
      model_channels: channels,
      out_channels: side,
      num_res_blocks: blocks,
      attention_resolutions: [],
      channel_mult: multipliers,
      num_head_channels: 32,
      use_scale_shift_norm: true,
      resblock_updown: true,
    }),
    precondition: "edm",
    sigma_data: "0.5",
    space_to_depth: String(spaceToDepth),
    tile: String(size),
    license: "see the card beside this file",
  };
}

export async function train(argv: string[]): Promise<number> {
  const { values } = parse(argv, OPTIONS);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const folder = values.out as string | undefined;
  if (!folder) throw new TypeError("train: say where the results go: -o FOLDER");
  const at = (name: string) => join(folder, name);
  const found = await exists(at("checkpoint.safetensors"));
  if (found && !values.resume)
    throw new ProxelError(
      `train: ${at("checkpoint.safetensors")} is there; go on with --resume, or name another folder`,
    );
  if (values.resume && !found) throw new ProxelError(`train: ${folder} has no checkpoint.safetensors to resume`);
  // what a run was begun with holds for all of it; only its length may be told anew
  const before = found ? await checkpointState<State>(at("checkpoint.safetensors")) : undefined;
  const settings = before
    ? { ...before.settings, ...("steps" in values ? { steps: settingsFrom(values).steps } : {}) }
    : settingsFrom(values);
  const mix = await openData(settings.data, settings);

  using _ = await openGpu();
  const { net, F, sigmaData, metadata } = prior(metadataOf(settings));
  const optimiser = adam(initParams(net, rng(settings.seed).fork(2 ** 31)), {
    beta1: 0.9,
    beta2: 0.99,
    maxNorm: settings.clip,
  });
  if (before) await loadCheckpoint(at("checkpoint.safetensors"), optimiser);
  await mkdir(folder, { recursive: true });
  const start = before?.step ?? 0;
  await trimLog(at("log.jsonl"), start);
  console.error(
    `train: ${countParameters(net).toLocaleString("en")} parameters, ${settings.batch} tiles of ${settings.size}x${settings.size} a step, on ${gpu().adapter}`,
  );

  const { signal, done } = interruptible({ patience: Number.POSITIVE_INFINITY });
  const bar = progress("train", settings.steps);
  bar.update(start);
  let last = { step: start, loss: Number.NaN };
  let seconds = before?.seconds ?? 0;
  const save = async (step: number) => {
    await saveCheckpoint(at("checkpoint.safetensors"), optimiser, { step, seconds, settings } satisfies State);
    await writeBytes(
      at("prior.safetensors"),
      await paramBytes(optimiser.ema.tree, { dtype: "f16", metadata: metadata as unknown as Record<string, string> }),
    );
  };
  try {
    // killed after the last checkpoint and before its prior was written
    if (start >= settings.steps) await save(start);
    const steps = loop({
      optimiser,
      loss: (params, batch, random) =>
        edmLoss(
          (x, logSigma) =>
            F(params)(
              x,
              logSigma.map((l) => l / 4),
            ),
          batch,
          random,
          { ...settings, sigmaData },
        ),
      batch: (random) => drawBatch(mix, { size: settings.size, count: settings.batch }, random),
      schedule: settings,
      emaDecay: settings.ema,
      seed: settings.seed,
      start,
      every: settings.every,
      signal,
    });
    for await (const report of steps) {
      seconds += report.secondsPerStep * (report.step - last.step);
      last = report;
      const line = { ...report, seconds: Math.round(seconds), adapter: gpu().adapter };
      await appendFile(at("log.jsonl"), `${JSON.stringify(line)}\n`);
      bar.update(report.step, `loss ${report.loss.toFixed(4)} ${report.secondsPerStep.toFixed(2)} s/step`);
      const crossed =
        Math.floor(report.step / settings.save) > Math.floor((report.step - settings.every) / settings.save);
      if (crossed || report.step === settings.steps || signal.aborted) await save(report.step);
    }
  } finally {
    bar.stop();
    done();
  }
  const { peakBytes } = gpu().pool;
  optimiser.dispose();
  if (values.json)
    console.log(JSON.stringify({ ...settings, ...last, seconds, peakBytes, prior: at("prior.safetensors") }));
  if (signal.aborted) {
    console.error(`train: stopped after step ${last.step}; go on with --resume`);
    return 130;
  }
  console.error(`train: wrote ${at("prior.safetensors")}`);
  return 0;
}

/** A killed run may have logged steps that its checkpoint does not have. */
async function trimLog(path: string, step: number): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => "");
  const kept = text.split("\n").filter((line) => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step;
    } catch {
      return false; // empty, or cut short
    }
  });
  if (text) await writeBytes(path, new TextEncoder().encode(kept.map((line) => `${line}\n`).join("")));
}
