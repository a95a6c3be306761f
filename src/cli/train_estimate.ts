import type { Common } from "../recipes_shared.ts";
import type { Measured } from "../train/measure.ts";
import { clock } from "./progress.ts";

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 100 * 2 ** 20 ? 1 : 0)} MiB`;

/** What --dry-run says, in words and as an object. */
export function estimate(name: string, about: string, settings: Common, measured: Measured, adapter: string) {
  const { steps, batch, accumulate, size } = settings;
  const { parameters, judge, peakBytes, secondsPerStep, firstSeconds } = measured;
  const seconds = firstSeconds + (steps - 1) * secondsPerStep;
  const facts = { method: name, about, parameters, judge, peakBytes, secondsPerStep, steps, seconds, adapter };
  const each = accumulate > 1 ? `${accumulate} times ${batch}` : `${batch}`;
  const rows: [string, string][] = [
    ["method", `${name}: ${about}`],
    [
      "trained",
      `${parameters.toLocaleString("en")} parameters${judge ? `, and ${judge.toLocaleString("en")} of the judge` : ""}`,
    ],
    ["a step", `${secondsPerStep.toPrecision(3)} s for ${each} tiles of ${size}x${size}, on ${adapter}`],
    ["memory", `${megabytes(peakBytes)} on the device at most`],
    ["all", `${steps} steps: about ${clock(seconds)}`],
  ];
  return { facts, words: rows.map(([left, right]) => `${left.padEnd(8)} ${right}`).join("\n") };
}
