import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadDenoiser, type LoadedDenoiser } from "../catalogue.ts";
import { ProxelError } from "../errors.ts";

/** The prior that comes with the package; dist/ and src/cli/ are one and two below its root. */
export function shippedPrior(): string {
  for (const up of ["../models/prior.safetensors", "../../models/prior.safetensors"]) {
    const path = fileURLToPath(new URL(up, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new ProxelError("prior: this installation has no models/prior.safetensors; give --prior FILE");
}

export const openPrior = (path: string | undefined): Promise<LoadedDenoiser> => loadDenoiser(path ?? shippedPrior());
