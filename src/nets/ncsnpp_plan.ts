import type { NcsnppConfig } from "./ncsnpp.ts";
import type { ParamSpec, Specs } from "./net.ts";

/**
 * One step of the network, in the order in which the official code makes its modules and runs them: `at` is the number
 * of its module. `push` puts its result on the stack of skip connections, `pop` begins with the topmost.
 */
export interface Step {
  kind: "conv" | "res" | "attention" | "combine" | "down" | "tap" | "end";
  at: number;
  from: number;
  to: number;
  resample?: "up" | "down";
  push?: true;
  pop?: true;
}

type Sizes = Required<
  Pick<
    NcsnppConfig,
    | "resolution"
    | "inChannels"
    | "channels"
    | "multipliers"
    | "blocks"
    | "attention"
    | "progressiveInput"
    | "progressiveOutput"
    | "combine"
  >
>;

/** The steps after the embedding, whose first module has the number `first`. */
export function plan(c: Sizes, first: number): Step[] {
  const steps: Step[] = [];
  const widths: number[] = [];
  const levels = c.multipliers.length;
  const attends = (level: number) => c.attention.includes(c.resolution / 2 ** level);
  let at = first;
  let C = c.channels;
  const step = (kind: Step["kind"], to: number, more: Partial<Step> = {}) => {
    steps.push({ kind, at, from: C, to, ...more });
    at += kind === "tap" || kind === "end" ? 2 : 1; // these are a norm and a convolution
    if (kind !== "tap") C = to;
  };
  const push = () => {
    (steps.at(-1) as Step).push = true;
    widths.push(C);
  };

  steps.push({ kind: "conv", at: at++, from: c.inChannels, to: C });
  push();
  let pyramid = c.inChannels;
  c.multipliers.forEach((m, level) => {
    for (let k = 0; k < c.blocks; k++) {
      step("res", c.channels * m);
      if (attends(level)) step("attention", C);
      push();
    }
    if (level === levels - 1) return;
    step("res", C, { resample: "down" });
    if (c.progressiveInput === "skip") {
      step("combine", C, { from: pyramid });
      if (c.combine === "cat") C *= 2;
    }
    if (c.progressiveInput === "residual") {
      step("down", C, { from: pyramid });
      pyramid = C;
    }
    push();
  });

  step("res", C);
  step("attention", C);
  step("res", C);
  for (let level = levels - 1; level >= 0; level--) {
    for (let k = 0; k <= c.blocks; k++) {
      C += widths.pop() as number;
      step("res", c.channels * (c.multipliers[level] as number), { pop: true });
    }
    if (attends(level)) step("attention", C);
    if (c.progressiveOutput === "skip") step("tap", c.inChannels);
    if (level > 0) step("res", C, { resample: "up" });
  }
  if (c.progressiveOutput === "none") step("end", c.inChannels);
  return steps;
}

/** Whether its shortcut is a 1x1 convolution: also where only the size changes. */
export const hasShortcut = ({ from, to, resample }: Step): boolean => from !== to || resample !== undefined;

/** Uniform, of variance s over the mean of fan-in and fan-out: bounds +-1/sqrt((in + out) / (6 s)). */
const uniform = (into: number, out: number, s = 1): ParamSpec["init"] => ({
  fanIn: (into + out) / (6 * Math.max(s, 1e-10)),
});
/** As score_sde draws them; s = 0 marks the last layer of each branch. */
const conv = (specs: Specs, name: string, out: number, into: number, k: number, s?: number): void => {
  specs[`${name}.weight`] = { shape: [out, into, k, k], init: uniform(into * k * k, out * k * k, s) };
  specs[`${name}.bias`] = { shape: [out], init: 0 };
};
const linear = (specs: Specs, name: string, out: number, into: number): void => {
  specs[`${name}.weight`] = { shape: [out, into], init: uniform(into, out) };
  specs[`${name}.bias`] = { shape: [out], init: 0 };
};
const norm = (specs: Specs, name: string, C: number): void => {
  specs[`${name}.weight`] = { shape: [C], init: 1 };
  specs[`${name}.bias`] = { shape: [C], init: 0 };
};

/** The embedding's modules: frequencies, if they are stored, and two linear layers. Returns how many there are. */
export function declareEmbedding(specs: Specs, nf: number, fourierScale: number | undefined): number {
  const first = fourierScale === undefined ? 0 : 1;
  if (fourierScale !== undefined) specs["all_modules.0.W"] = { shape: [nf], init: { std: fourierScale }, fixed: true };
  linear(specs, `all_modules.${first}`, 4 * nf, first ? 2 * nf : nf);
  linear(specs, `all_modules.${first + 1}`, 4 * nf, 4 * nf);
  return first + 2;
}

/** Parameters of a step; temb is the width of the embedding. */
export function declareStep(specs: Specs, step: Step, temb: number, down: "Conv2d_0" | "Conv_0"): void {
  const { kind, at, from, to } = step;
  const name = (module: string) => `all_modules.${at}.${module}`;
  switch (kind) {
    case "conv":
      conv(specs, `all_modules.${at}`, to, from, 3);
      break;
    case "res":
      norm(specs, name("GroupNorm_0"), from);
      conv(specs, name("Conv_0"), to, from, 3);
      linear(specs, name("Dense_0"), to, temb);
      norm(specs, name("GroupNorm_1"), to);
      conv(specs, name("Conv_1"), to, to, 3, 0);
      if (hasShortcut(step)) conv(specs, name("Conv_2"), to, from, 1);
      break;
    case "attention":
      norm(specs, name("GroupNorm_0"), from);
      for (const i of [0, 1, 2, 3]) {
        specs[name(`NIN_${i}.W`)] = { shape: [from, from], init: uniform(from, from, i === 3 ? 0 : 0.1) };
        specs[name(`NIN_${i}.b`)] = { shape: [from], init: 0 };
      }
      break;
    case "combine":
      conv(specs, name("Conv_0"), to, from, 1);
      break;
    case "down":
      conv(specs, name(down), to, from, 3);
      break;
    case "tap":
    case "end":
      norm(specs, `all_modules.${at}`, from);
      conv(specs, `all_modules.${at + 1}`, to, from, 3, 0);
  }
}
