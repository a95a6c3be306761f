import { extname } from "node:path";
import { writeBytes } from "#platform";
import { rng } from "../../kernels/random.ts";
import { sumSquares } from "../../kernels/reduce.ts";
import { gpu, openGpu } from "../gpu/open.ts";
import { formatNpy } from "../io/npy.ts";
import { checkOutput, writePicture } from "../io/picture.ts";
import type { LinearOperator } from "../linalg/operator.ts";
import { type MagnitudeErrors, magnitudeErrors, moduli } from "../metrics/magnitude.ts";
import { birdcage, normalised } from "../physics/coils.ts";
import { espirit } from "../physics/espirit.ts";
import { mri, rss } from "../physics/mri.ts";
import { MRI_MASKS, mriMask } from "../physics/mri_masks.ts";
import { dispose, scope } from "../tensor/scope.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import {
  type Coils,
  kspaceNoise,
  type MaskChoice,
  maskRng,
  measuredOf,
  quantile,
  readCoils,
  readMaskChoice,
} from "./kspace.ts";
import { givesMagnitudes, MRI_SOLVERS, type MriSolver, PRIORS, solved, TRAINED } from "./mri_solve.ts";
import { checkTarget, number, oneOf, parse } from "./options.ts";
import { interruptible } from "./progress.ts";

const HELP = `proxel reconstruct: a magnetic resonance picture from the k-space of its coils

  proxel reconstruct KSPACE.npy [options] -o OUT.png

  KSPACE.npy         complex64 [coils, H, W] or [H, W], zero frequency at [H/2, W/2]; samples that are 0 in all
                     coils were not measured
  --maps WHAT        coil sensitivities: MAPS.npy (complex64, shaped alike), espirit (from the measured middle of
                     k-space) or birdcage (of simulated coils)          [espirit; none for one coil]
  --mask WHAT        leaves samples out: a picture or .npy ([H, W], or [W] for columns; white, 1, is measured), or
                     ${MRI_MASKS.join(", ")}, with :R for one in R [:4]
  --centre X         of such a mask: the part of the lines always measured [.08, beyond :4 .04; gaussian2d none]
  --solver NAME      zero-filled, rss, cg-sense; with a prior: ${PRIORS.join(", ")};
                     with a network of their own: ${TRAINED.join(", ")}   [cg-sense]
  --model FILE       that network: what \`proxel train\` varnet, ssdiffrecon or diff-unfolding-mri made, or fastMRI's VarNet
  --iterations N     of conjugate gradients [cg-sense 12, dds 5]   --lambda X   weight of |x|^2 in cg-sense
                     [0]; trust in the prior of diffpir, dpir, pnp-admm [1]
  --steps N          of a solver with a prior [20]             --seed N [0]
  --noise X          standard deviation of the real and of the imaginary part of a sample, in the units of
                     KSPACE.npy [estimated from the outermost samples]
  --prior FILE       weights [those that come with the package]; it denoises real and imaginary parts apart, as
                     grey pictures: a prior of natural pictures, not of anatomy, so look twice
  -o, --out OUT.png  the magnitude, white where the brightest 0.5 % begin; OUT.npy beside it: complex64 [H, W] in
                     the units of KSPACE.npy (rss, varnet: float32)
  -f, --force        replace what is there
  --json             one object as the last line of stdout; where --mask left samples out, with errors against the
                     same combination of all of them`;

export async function reconstruct(argv: string[]): Promise<number> {
  const { values, positionals } = parse(
    argv,
    {
      maps: { type: "string" },
      mask: { type: "string" },
      centre: { type: "string" },
      solver: { type: "string" },
      iterations: { type: "string" },
      lambda: { type: "string" },
      steps: { type: "string" },
      seed: { type: "string" },
      noise: { type: "string" },
      prior: { type: "string" },
      model: { type: "string" },
      out: { type: "string", short: "o" },
      force: { type: "boolean", short: "f" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
    true,
  );
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [path, ...others] = positionals;
  if (!path || others.length) throw new TypeError(`one k-space expected, got ${positionals.length}`);
  const { out } = values;
  if (!out) throw new TypeError("say where the picture goes: -o OUT.png");
  const name = oneOf<MriSolver>("--solver", values.solver ?? "cg-sense", MRI_SOLVERS);
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  const settings = {
    iterations: number(values, "iterations", { min: 1, whole: true }),
    lambda: number(values, "lambda", { min: 0 }),
    steps: number(values, "steps", { min: 1, whole: true }) ?? 20,
  };
  const noise = number(values, "noise", { above: 0 });
  const centre = number(values, "centre", { min: 0 });
  const npy = `${out.slice(0, -extname(out).length)}.npy`;
  const force = values.force ?? false;
  await checkTarget(out, { force });
  await checkOutput(npy, { force });

  const k = await readCoils(path);
  const choice = values.mask === undefined ? undefined : await readMaskChoice(values.mask, k);
  const given = await mapsFor(values.maps ?? (k.coils > 1 ? "espirit" : undefined), k);

  const { signal, done } = interruptible();
  try {
    using _ = await openGpu();
    const began = performance.now();
    const { H, W, coils } = k;
    const all = measuredOf(k);
    const mask = await drawn(choice, k, all, { seed, ...(centre === undefined ? {} : { centre }) });
    const kept = { ...k, data: k.data.map((v, i) => v * (mask[Math.floor(i / (2 * coils))] as number)) };
    if (!kept.data.some((v) => v !== 0)) throw new RangeError(`${path}: nothing is left to reconstruct from`);
    const whole = tensor([1, H, W, coils], k.data, "c64");
    const y = tensor([1, H, W, coils], kept.data, "c64");
    const maps = givesMagnitudes(name) ? undefined : await sensitivities(given, y, [H, W, coils]);
    const operator = (samples: Float32Array): LinearOperator =>
      scope(() => mri([H, W, 2], { mask: tensor([H, W, 1], samples), ...(maps && { maps }) }));
    const [A, full] = [operator(mask), operator(all)];
    const sigma = noise ?? kspaceNoise(kept, mask);
    const setupSeconds = (performance.now() - began) / 1000;

    const solving = performance.now();
    const support = maps && sumSquares(maps, { axes: [2], keep: true });
    const found = await solved(name, {
      A,
      y,
      sigma,
      support,
      seed,
      signal,
      prior: values.prior,
      model: values.model,
      mask,
      ...settings,
    });
    await gpu().idle();
    const seconds = (performance.now() - solving) / 1000;
    const reference = scope(() => (givesMagnitudes(name) ? rss(whole) : full.adjoint(whole)));
    const [x, truth] = [await found.x.read(), await reference.read()];
    const count = mask.reduce((a, b) => a + b, 0);
    const left = all.reduce((a, b) => a + b, 0) > count;
    const magnitude = moduli(x, H * W);
    const against = left ? magnitudeErrors(x, truth, [H, W]) : {};
    dispose([found.x, reference, whole, y, maps ?? [], support ?? [], A.holds, full.holds]);

    const white = quantile(magnitude, 0.995) || 1;
    const data = magnitude.map((v) => (2 * v) / white - 1);
    await writePicture(out, { width: W, height: H, channels: 1, bits: 8, data }, { force });
    const complex = x.length === 2 * H * W;
    await writeBytes(npy, formatNpy({ dtype: complex ? "c64" : "f32", shape: [H, W], data: x }));
    const acceleration = Number(((H * W) / count).toFixed(3));
    const { nfe } = found;
    console.error(
      `${path} -> ${out}: ${name} from ${coils} ${coils === 1 ? "coil" : "coils"}, one sample in ${acceleration.toFixed(2)}` +
        `${left ? `, NRMSE ${(against as MagnitudeErrors).nrmse.toFixed(4)}` : ""}, ${seconds.toFixed(1)} s`,
    );
    if (values.json)
      console.log(
        JSON.stringify({
          solver: name,
          seed,
          input: path,
          output: out,
          array: npy,
          width: W,
          height: H,
          coils,
          acceleration,
          noise: sigma,
          white,
          nfe,
          setupSeconds: Number(setupSeconds.toFixed(3)),
          seconds: Number(seconds.toFixed(3)),
          ...against,
          adapter: gpu().adapter,
          peakBytes: gpu().pool.peakBytes,
        }),
      );
    return 0;
  } finally {
    done();
  }
}

type Maps = "espirit" | "birdcage" | Float32Array | undefined;

async function mapsFor(word: string | undefined, { H, W, coils }: Coils): Promise<Maps> {
  if (word === undefined || word === "espirit" || word === "birdcage") return word;
  if (extname(word) !== ".npy") return oneOf("--maps", word, ["espirit", "birdcage", "MAPS.npy"]) as never;
  const maps = await readCoils(word);
  if (maps.H !== H || maps.W !== W || maps.coils !== coils)
    throw new RangeError(
      `${word}: k-space is [${coils}, ${H}, ${W}], the maps [${maps.coils}, ${maps.H}, ${maps.W}]; they must agree`,
    );
  return normalised(maps.data, coils);
}

async function sensitivities(maps: Maps, y: Tensor, [H, W, coils]: readonly [number, number, number]) {
  if (maps === undefined) return undefined;
  if (maps === "espirit") return espirit(y);
  return maps === "birdcage" ? birdcage([H, W], coils) : tensor([H, W, coils], maps, "c64");
}

/** The mask, and only what was measured of it. */
async function drawn(
  choice: MaskChoice | undefined,
  { H, W }: Coils,
  all: Float32Array,
  { seed, centre }: { seed: number; centre?: number },
): Promise<Float32Array> {
  if (!choice) return all;
  if ("data" in choice) return choice.data.map((v, i) => v * (all[i] as number));
  const { kind, acceleration } = choice;
  const m = mriMask(kind, [H, W], maskRng(rng(seed)), { acceleration, ...(centre === undefined ? {} : { centre }) });
  const data = await m.read();
  m.dispose();
  return data.map((v, i) => v * (all[i] as number));
}
