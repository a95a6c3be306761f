import { extname } from "node:path";
import { writeBytes } from "#platform";
import { openGpu } from "../gpu/open.ts";
import { formatNpy } from "../io/npy.ts";
import { centreCrop, checkOutput, readPicture, writePicture } from "../io/picture.ts";
import { plan } from "../pieces.ts";
import { defaultNoise } from "../tasks.ts";
import { dispose } from "../tensor/scope.ts";
import { checkTarget, number, parse, TASK_HELP, TASK_OPTIONS, taskFrom, taskOptions } from "./options.ts";

const HELP = `proxel degrade: make the measurement that restore undoes

  proxel degrade PICTURE --task NAME [options] -o OUT.png

${TASK_HELP} [0.05; denoise: 0.1]
  --seed N [0]       --size N   the centre N x N of the picture only
  -o, --out OUT.png  the measurement as a picture; OUT.npy beside it holds it unclipped,
                     and for inpaint OUT.mask.png the mask (white = known)
  -f, --force        replace what is there
  --json             one object as the last line of stdout`;

export async function degrade(argv: string[]): Promise<number> {
  const { values, positionals } = parse(argv, TASK_OPTIONS, true);
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [path, ...others] = positionals;
  if (!path || others.length) throw new TypeError(`one picture expected, got ${positionals.length}`);
  const { out } = values;
  if (!out) throw new TypeError("say where the measurement goes: -o OUT.png");
  const task = taskFrom(values);
  const noise = number(values, "noise", { min: 0 }) ?? defaultNoise(task);
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  const size = number(values, "size", { min: 8, whole: true });
  const options = await taskOptions(values, task);
  const stem = out.slice(0, -extname(out).length);
  const [npy, maskPath] = [`${stem}.npy`, `${stem}.mask.png`];
  const force = values.force ?? false;
  await checkTarget(out, { force });
  for (const target of [npy, ...(task === "inpaint" ? [maskPath] : [])]) await checkOutput(target, { force });
  const picture = await readPicture(path);

  using _ = await openGpu();
  const job = await plan(size === undefined ? picture : centreCrop(picture, size), task, {
    ...options,
    simulated: true,
    noise,
    seed,
  });
  // a job of one piece holds its measurement on the GPU too
  if (job.count === 1) await job.piece(0).then(({ y, A }) => dispose([y, A.holds]));
  const { measurement, mask } = job;
  const { width, height, channels } = measurement;
  const data = measurement.data.map((v) => (v + 1) / 2);
  await writePicture(out, measurement, { force });
  await writeBytes(
    npy,
    formatNpy({ dtype: "f32", shape: channels === 1 ? [height, width] : [height, width, 3], data }),
  );
  if (mask) {
    const known = Float32Array.from({ length: width * height }, (_v, i) => 2 * (mask.data[i] as number) - 1);
    await writePicture(maskPath, { width, height, channels: 1, bits: 8, data: known }, { force });
  }
  if (values.json)
    console.log(
      JSON.stringify({
        task,
        noise,
        noiseSigned: 2 * noise,
        seed,
        input: path,
        output: out,
        measurement: npy,
        width,
        height,
      }),
    );
  return 0;
}
