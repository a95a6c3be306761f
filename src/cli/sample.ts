import { gpu, openGpu } from "../gpu/open.ts";
import { contactSheet } from "../io/contact_sheet.ts";
import { type Picture, writePicture } from "../io/picture.ts";
import { SAMPLERS } from "../methods.ts";
import { restore } from "../solvers/solver.ts";
import { checkTarget, number, oneOf, parse } from "./options.ts";
import { openPrior } from "./prior.ts";
import { interruptible, progress } from "./progress.ts";

const HELP = `proxel sample: draw pictures from the prior

  proxel sample [-n N] [--size N] [options] -o OUT.png

  -n, --count N [4]   --size N [64]   --seed N [0]
  --solver NAME      edm (Heun's: 2 N - 1 calls), ddim, ddpm, pc (2 N calls), or consistency (a few-step prior) [edm]
  --steps N          [edm 18, ddim 50, ddpm and pc 250, consistency 2]
  --prior FILE   --lora FILE: adapters for it, of \`proxel train lora\`
  -o, --out OUT.png   one sheet of all of them   -f, --force   --json`;

export async function sample(argv: string[]): Promise<number> {
  const { values } = parse(argv, {
    count: { type: "string", short: "n" },
    size: { type: "string" },
    solver: { type: "string" },
    steps: { type: "string" },
    seed: { type: "string" },
    prior: { type: "string" },
    lora: { type: "string" },
    out: { type: "string", short: "o" },
    force: { type: "boolean", short: "f" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const { out } = values;
  if (!out) throw new TypeError("say where the pictures go: -o OUT.png");
  const count = number(values, "count", { min: 1, whole: true }) ?? 4;
  const size = number(values, "size", { min: 8, whole: true }) ?? 64;
  const name = oneOf("--solver", values.solver ?? "edm", Object.keys(SAMPLERS) as (keyof typeof SAMPLERS)[]);
  const solver = SAMPLERS[name](number(values, "steps", { min: name === "consistency" ? 1 : 2, whole: true }));
  const { steps } = solver;
  const seed = number(values, "seed", { min: 0, whole: true }) ?? 0;
  await checkTarget(out, { force: values.force ?? false });

  const { signal, done } = interruptible();
  using _ = await openGpu();
  using denoiser = await openPrior(values.prior, values.lora);
  const bar = progress("sample", steps);
  try {
    const began = performance.now();
    let [nfe, nbe] = [0, 0];
    const x = await restore({ denoiser, shape: [count, size, size, 3] }, solver, {
      seed,
      signal,
      onStep(step) {
        [nfe, nbe] = [step.nfe, step.nbe];
        bar.update(step.i + 1);
      },
    });
    const data = await x.read();
    x.dispose();
    const each = size * size * 3;
    const pictures = Array.from(
      { length: count },
      (_p, i): Picture => ({
        width: size,
        height: size,
        channels: 3,
        bits: 8,
        data: data.subarray(i * each, (i + 1) * each),
      }),
    );
    const columns = Math.ceil(Math.sqrt(count));
    const rows = Array.from({ length: Math.ceil(count / columns) }, (_r, i) => ({
      label: "",
      pictures: pictures.slice(i * columns, (i + 1) * columns),
    }));
    await writePicture(out, count === 1 ? (pictures[0] as Picture) : contactSheet(rows), {
      force: values.force ?? false,
    });
    const seconds = (performance.now() - began) / 1000;
    const drawn = `${count} ${count === 1 ? "picture" : "pictures"} of ${size}x${size}`;
    console.error(`sample: ${drawn} -> ${out}, ${nfe} calls in ${seconds.toFixed(1)} s on ${gpu().adapter}`);
    if (values.json)
      console.log(
        JSON.stringify({
          solver: name,
          steps,
          seed,
          count,
          size,
          nfe,
          nbe,
          seconds: Number(seconds.toFixed(3)),
          adapter: gpu().adapter,
          peakBytes: gpu().pool.peakBytes,
          output: out,
        }),
      );
    return 0;
  } finally {
    bar.stop();
    done();
  }
}
