import { extname } from "node:path";
import { parseArgs } from "node:util";
import { writeBytes } from "#platform";
import { openGpu } from "../gpu/open.ts";
import { formatNpy } from "../io/npy.ts";
import { centreCrop, checkOutput, formatOf, readPicture, writePicture } from "../io/picture.ts";
import { defaultNoise, simulate } from "../tasks.ts";
import { dispose } from "../tensor/scope.ts";
import { number, TASK_HELP, TASK_OPTIONS, taskFrom, taskOptions } from "./options.ts";

const HELP = `proxel degrade: make the measurement that restore undoes

  proxel degrade PICTURE --task NAME [options] -o OUT.png

${TASK_HELP} [0.05; denoise: 0.1]
  --seed N [0]   --size N   the centre N x N of the picture only
  -o, --out OUT.png  the measurement as a picture; OUT.npy beside it holds it unclipped, in [0, 1] units,
                     and for inpaint OUT.mask.png the mask (white = known)
  -f, --force   --json`;

export async function degrade(argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: argv, allowPositionals: true, options: TASK_OPTIONS });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const [path, ...others] = positionals;
  if (!path || others.length) throw new TypeError(`degrade: one picture expected, got ${positionals.length}`);
  const { out } = values;
  if (!out) throw new TypeError("degrade: say where the measurement goes: -o OUT.png");
  const task = taskFrom(values);
  const noise = number(values, "noise", { min: 0 }) ?? defaultNoise(task);
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  const size = number(values, "size", { min: 8, whole: true });
  const options = await taskOptions(values, task);
  formatOf(out);
  const stem = out.slice(0, -extname(out).length);
  const [npy, maskPath] = [`${stem}.npy`, `${stem}.mask.png`];
  const force = values.force ?? false;
  for (const target of [out, npy, ...(task === "inpaint" ? [maskPath] : [])]) await checkOutput(target, { force });
  const picture = await readPicture(path);

  using _ = await openGpu();
  const { A, y, shown, truth } = await simulate(size === undefined ? picture : centreCrop(picture, size), task, {
    ...options,
    noise,
    seed,
  });
  const [, height, width] = y.shape as [number, number, number];
  const values01 = (await y.read()).map((v) => (v + 1) / 2);
  const grey = truth?.channels === 1;
  const data = grey ? values01.filter((_v, i) => i % 3 === 0) : values01;
  dispose([y, A.holds]);
  const preview =
    task === "sr"
      ? { width, height, channels: shown.channels, bits: shown.bits, data: data.map((v) => 2 * v - 1) }
      : shown;
  await writePicture(out, preview, { force });
  await writeBytes(npy, formatNpy({ dtype: "f32", shape: grey ? [height, width] : [height, width, 3], data }));
  if (task === "inpaint") {
    const C = shown.channels;
    const known = Float32Array.from({ length: width * height }, (_v, i) =>
      shown.data.subarray(i * C, i * C + C).some((v) => v !== 0) ? 1 : -1,
    );
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
