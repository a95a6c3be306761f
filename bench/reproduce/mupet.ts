import type { Experiment } from "./run.ts";

export const experiment: Experiment = {
  about: "MUPET against denoising score matching, fine-tuned in equal steps from one network",
  run: async () => [],
};
