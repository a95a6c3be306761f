import { GpuError } from "../errors.ts";

/** A page waits without a loop of its own. */
export const patiently = <T>(promise: Promise<T>): Promise<T> => promise;

/** Browsers know what hangs on their objects. */
export function collect(): void {}

/** The page's own WebGPU. */
export async function entry(): Promise<{ api: GPU; release(): void; advice: string }> {
  if (!navigator.gpu)
    throw new GpuError(
      "openGpu: this browser has no WebGPU; use a current Chrome, Edge, Safari or Firefox over https or localhost",
    );
  return { api: navigator.gpu, release() {}, advice: "chrome://gpu says why WebGPU is off" };
}
