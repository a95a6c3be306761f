import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type LoadedDenoiser, loadDenoiser } from "../catalogue.ts";
import { ProxelError } from "../errors.ts";
import { packageRoot } from "./version.ts";

/** The prior that comes with the package. */
export function shippedPrior(): string {
  const path = fileURLToPath(new URL("models/prior.safetensors", packageRoot()));
  if (!existsSync(path))
    throw new ProxelError("prior: this installation has no models/prior.safetensors; give --prior FILE");
  return path;
}

/** The denoiser of a file, or the shipped one, with adapters if a file of them is given. */
export const openPrior = (path: string | undefined, lora?: string): Promise<LoadedDenoiser> =>
  loadDenoiser(path ?? shippedPrior(), lora === undefined ? {} : { lora });
