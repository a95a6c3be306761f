#!/usr/bin/env node
import { ProxelError } from "../errors.ts";
import { nearest } from "./nearest.ts";
import { version } from "./version.ts";

type Command = (argv: string[]) => Promise<number>;

/** Name, what it does, and where it lives; loaded when asked for. */
const COMMANDS: Record<string, [about: string, load: () => Promise<Command>]> = {
  restore: [
    "restore pictures: deblur, super-resolve, inpaint, denoise",
    async () => (await import("./restore.ts")).restore,
  ],
  reconstruct: [
    "an MRI picture from the k-space of its coils",
    async () => (await import("./reconstruct.ts")).reconstruct,
  ],
  degrade: ["make the measurement that restore undoes", async () => (await import("./degrade.ts")).degrade],
  eval: [
    "every solver on every task on a folder of pictures, as a table",
    async () => (await import("./eval.ts")).evaluation,
  ],
  sample: ["draw pictures from the prior", async () => (await import("./sample.ts")).sample],
  train: ["train a prior on your pictures", async () => (await import("./train.ts")).train],
  weights: [
    "inspect, convert and run the weights of published networks",
    async () => (await import("./weights.ts")).weights,
  ],
  demo: [
    "restore a picture drawn by this program, four tasks on one sheet",
    async () => (await import("./demo.ts")).demo,
  ],
  bench: ["time every kernel, in a clone of the sources", async () => (await import("./bench.ts")).bench],
  doctor: [
    "say which GPU will be used, why others were refused, and what to do",
    async () => (await import("./doctor.ts")).doctor,
  ],
};

const HELP = `proxel: imaging inverse problems on the GPU

  proxel COMMAND [options]      proxel COMMAND --help says more

${Object.entries(COMMANDS)
  .map(([name, [about]]) => `  ${name.padEnd(11)} ${about}`)
  .join("\n")}

  --version   --help`;

/** Runs one command; the number is the exit code: 0 done, 1 our failure, 2 bad input, 130 interrupted. */
export async function main(argv: string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    (name === undefined ? console.error : console.log)(HELP);
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "-v") {
    console.log(version());
    return 0;
  }
  const command = COMMANDS[name];
  if (!command) {
    const near = nearest(name, Object.keys(COMMANDS));
    console.error(
      `proxel: unknown command "${name}"${near ? `; did you mean "${near}"?` : ""} \`proxel --help\` lists them`,
    );
    return 2;
  }
  try {
    return await (await command[1]())(rest);
  } catch (error) {
    return report(name, error);
  }
}

/** Bad input is one line; what begins with "internal:" or is no error of ours keeps its stack. */
function report(name: string, error: unknown): number {
  if (!(error instanceof Error)) {
    console.error(`proxel ${name}: ${error}`);
    return 1;
  }
  if (error.name === "AbortError") {
    console.error(`proxel ${name}: interrupted`);
    return 130;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  const input =
    error instanceof ProxelError ||
    /^(ENOENT|EACCES|EISDIR|ENOTDIR|EEXIST|ENOSPC|EROFS)$/.test(code ?? "") ||
    /^ERR_PARSE_ARGS/.test(code ?? "") ||
    ((error.constructor === TypeError || error.constructor === RangeError) && !fromTheEngine(error));
  if (input && !message.startsWith("internal:")) {
    // who: said once
    console.error(`proxel ${name}: ${(message.split("\n")[0] as string).replace(new RegExp(`^${name}: `), "")}`);
    return 2;
  }
  console.error(error.stack);
  return 1;
}

/** JavaScript's own complaints ("x is not a function", "Invalid array length") are bugs of ours, not of the input. */
const fromTheEngine = ({ message }: Error): boolean =>
  /is not (a function|iterable|a constructor|defined)|of (undefined|null)\b|Invalid (array|typed array) length|call stack|circular structure/i.test(
    message,
  );

process.exitCode = await main(process.argv.slice(2));
