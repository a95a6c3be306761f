/** What the papers claim, tried on small networks and real pictures: `npm run reproduce -- NAME [options]`. */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { openData } from "../../src/cli/data.ts";
import { gpu, openGpu } from "../../src/gpu/open.ts";
import type { Mix } from "../../src/train/data.ts";
import { type Comparison, table } from "./paired.ts";
import { type TestTiles, testTiles } from "./tiles.ts";

export interface Setting {
  readonly data: readonly Mix[];
  readonly test: TestTiles;
  readonly size: number;
  /** Pictures in a training step, and training steps; of pre-training where there is one. */
  readonly batch: number;
  readonly steps: number;
  readonly pretrain: number;
  readonly seed: number;
  /** For a look at whether it runs: the smallest network that shows it. */
  readonly tiny: boolean;
  /** A network to begin with, in place of one that is pre-trained. */
  readonly prior?: string;
  /** Tells how it goes, on stderr. */
  say(line: string): void;
}
export interface Experiment {
  /** What is compared, in a line. */
  readonly about: string;
  run(setting: Setting): Promise<Comparison[]>;
}

const EXPERIMENTS: Readonly<Record<string, () => Promise<{ experiment: Experiment }>>> = {
  mri: () => import("./mri.ts"),
  mupet: () => import("./mupet.ts"),
  "diff-unfolding": () => import("./diff_unfolding.ts"),
  ud2m: () => import("./ud2m.ts"),
};

const HELP = `reproduce: trains small networks and compares, picture by picture

  npm run reproduce -- ${Object.keys(EXPERIMENTS).join("|")} [options]

  --data WHAT[:WEIGHT]   what to train on: a folder, an atlas's .json, dead-leaves; repeatable   [dead-leaves]
  --test WHAT            what to test on, never trained on; repeatable   [dead-leaves of another seed]
  --count N [100]        test pictures      --size N [32]     their side
  --steps N [1000]       training steps of each of the two      --pretrain N [1000]   steps of what they share
  --batch N [16]   --seed N [0]
  --prior FILE           of ud2m: a network to begin with, in place of pre-training one
  --tiny                 a minute, to see that it runs
  --out FOLDER           where the JSON goes   [bench/results]`;

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      data: { ...text, multiple: true },
      test: { ...text, multiple: true },
      ...{ count: text, size: text, steps: text, pretrain: text, batch: text, seed: text },
      out: { ...text, default: "bench/results" },
      prior: text,
      tiny: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const [name = ""] = positionals;
  const open = EXPERIMENTS[name];
  if (values.help || !open) {
    console.log(HELP);
    return values.help ? 0 : 2;
  }
  const { tiny } = values;
  const whole = (key: "count" | "size" | "steps" | "pretrain" | "batch" | "seed", usual: number): number => {
    const n = values[key] === undefined ? usual : Number(values[key]);
    if (!Number.isInteger(n) || n < 0)
      throw new RangeError(`reproduce: --${key} expects a whole number, got ${values[key]}`);
    return n;
  };
  const [size, seed, count] = [whole("size", 32), whole("seed", 0), whole("count", tiny ? 6 : 100)];
  const settings = {
    ...{ size, seed, tiny },
    batch: whole("batch", tiny ? 4 : 16),
    steps: whole("steps", tiny ? 3 : 1000),
    pretrain: whole("pretrain", tiny ? 6 : 1000),
  };
  const [trained, tested] = [values.data ?? ["dead-leaves"], values.test ?? ["dead-leaves"]];
  const sources = await openData(tested, { size, seed: seed + 1_000_003 });

  using _ = await openGpu();
  const { experiment } = await open();
  const started = performance.now();
  const clock = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  console.error(`reproduce ${name}: ${experiment.about}; on ${gpu().adapter}`);
  const rows = await experiment.run({
    ...settings,
    data: await openData(trained, settings),
    ...(values.prior !== undefined && { prior: values.prior }),
    test: await testTiles(
      sources.map(({ tiles }) => tiles),
      { size, count },
    ),
    say: (line) => console.error(`${clock()}  ${line}`),
  });
  console.log(`\n${table(rows)}`);
  const report = {
    name,
    ...settings,
    count,
    // where they lie is nobody else's business
    trained: trained.map((path) => basename(path)),
    tested: tested.map((path) => basename(path)),
    adapter: gpu().adapter,
    seconds: (performance.now() - started) / 1000,
    rows,
  };
  mkdirSync(values.out, { recursive: true });
  const path = join(values.out, `reproduce-${name}${tiny ? "-tiny" : ""}.json`);
  writeFileSync(path, `${JSON.stringify(report, null, 1)}\n`);
  console.error(`${clock()}  wrote ${path}`);
  return 0;
}

process.exitCode = await main();
