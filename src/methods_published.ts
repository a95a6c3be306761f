/**
 * The same solvers as their papers set them, for `NAME:published`: a thousand calls and more for some, tuned to priors of
 * hundreds of millions of parameters at 256 x 256 and to noise of .05 (signed units).
 */
import type { MethodName } from "./methods.ts";
import { cm4ir, cm4irPresets } from "./solvers/cm4ir.ts";
import { daps, dapsPresets } from "./solvers/daps.ts";
import { ddiff, ddiffHqs, ddiffPresets } from "./solvers/ddiff.ts";
import { ddnm } from "./solvers/ddnm.ts";
import { ddrm } from "./solvers/ddrm.ts";
import { dds } from "./solvers/dds.ts";
import { diffPnpAdmm, diffPnpHqs } from "./solvers/diff_pnp.ts";
import { diffpir, diffpirPresets } from "./solvers/diffpir.ts";
import { dpir } from "./solvers/dpir.ts";
import { dps, dpsPresets } from "./solvers/dps.ts";
import { type LatinoOptions, latino, latinoPresets } from "./solvers/latino.ts";
import { pigdm } from "./solvers/pigdm.ts";
import { pnpAdmm } from "./solvers/pnp_admm.ts";
import { pnpEdm, pnpEdmPresets } from "./solvers/pnp_edm.ts";
import { pnpGd, pnpGdPresets } from "./solvers/pnp_gd.ts";
import { redDiff, redDiffPresets } from "./solvers/red_diff.ts";
import type { Solver } from "./solvers/solver.ts";

/** Of the tasks of `proxel eval`: sr4 and sr8 are "sr", jpeg10 is "jpeg". */
type Kind = "sr" | "gaussian" | "motion" | "box" | "random" | "hdr" | "phase" | "nonlinear" | "jpeg" | "denoise";
const kindOf = (task: string) => task.replace(/\d+$/, "") as Kind;

/** A choice for each kind of task that a paper has; what it has not gets that of blur. */
const by =
  <T>(choices: Partial<Record<Kind, T>> & { gaussian: T }) =>
  (task: string): T =>
    choices[kindOf(task)] ?? choices.gaussian;

const ofDps = by({
  ...dpsPresets,
  gaussian: dpsPresets.deblur,
  sr: dpsPresets.superResolution,
  box: dpsPresets.inpaint,
  random: dpsPresets.inpaint,
});
const ofDaps = by({ ...dapsPresets, sr: dapsPresets.superResolution });
const ofDdiff = by({ ...ddiffPresets.ffhq, sr: ddiffPresets.ffhq.superResolution });
const vp = { box: diffpirPresets.vpInpaint, random: diffpirPresets.vpInpaint };
const ofDiffpir = by({ ...vp, gaussian: diffpirPresets.vpDeblur, sr: diffpirPresets.vpSuperResolution });
const ofCm4ir = (task: string, coarse: boolean) =>
  by({
    gaussian: coarse ? cm4irPresets.bedroomDeblur50 : cm4irPresets.bedroomDeblur25,
    sr: coarse ? cm4irPresets.superResolution50 : cm4irPresets.superResolution25,
    box: cm4irPresets.inpaint,
    random: cm4irPresets.inpaint,
  })(task);
const ofLatino = by<LatinoOptions>({
  gaussian: latinoPresets.gaussianDeblur,
  motion: latinoPresets.motionDeblur,
  box: latinoPresets.boxInpaint,
  random: latinoPresets.other,
  sr: latinoPresets.superResolution16,
});

/** A solver's published setting for a task of `proxel eval`. `sigmaNoise` in signed units. */
export const PUBLISHED: Readonly<Record<MethodName | "diffpir", (task: string, sigmaNoise: number) => Solver>> = {
  diffpir: (task) => diffpir(ofDiffpir(task)),
  dps: (task) => dps(ofDps(task)) as Solver,
  pigdm: () => pigdm(),
  ddnm: () => ddnm(),
  ddrm: () => ddrm(),
  dds: () => dds(),
  daps: (task) => daps(ofDaps(task)) as Solver,
  ddiff: (task) => ddiff(ofDdiff(task)) as Solver,
  "ddiff-hqs": () => ddiffHqs(ddiffPresets.hqs) as Solver,
  "diff-pnp-admm": (task) => diffPnpAdmm(ofDdiff(task)) as Solver,
  "diff-pnp-hqs": (task) => diffPnpHqs(ofDdiff(task)) as Solver,
  "pnp-gd": () => pnpGd(pnpGdPresets.mupet) as Solver,
  "pnp-admm": () => pnpAdmm(),
  dpir: () => dpir(),
  "red-diff": () => redDiff(redDiffPresets.authors) as Solver,
  "pnp-edm": (task) => pnpEdm(task === "phase" ? pnpEdmPresets.phase : pnpEdmPresets.linear) as Solver,
  cm4ir: (task, sigmaNoise) => cm4ir(ofCm4ir(task, sigmaNoise > 0.075)),
  latino: (task) => latino(ofLatino(task)),
};
