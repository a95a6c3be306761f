import { DOCTOR, prepareVulkan } from "./driver.node.ts";

const cell = new Int32Array(new SharedArrayBuffer(4));

/**
 * While a promise of Dawn's is pending, dawn.node asks for its events as fast as the event loop turns. Where the
 * processor is the GPU, that takes a core from it: sleeping between two turns gave 118 ms for a convolution of 142.
 */
export async function patiently<T>(promise: Promise<T>): Promise<T> {
  let pending = true;
  const settled = () => {
    pending = false;
  };
  promise.then(settled, settled);
  for (let ms = 0.5; pending; ms = Math.min(8, 1.5 * ms)) {
    await new Promise<void>((turn) => setImmediate(turn));
    if (pending) Atomics.wait(cell, 0, 0, ms);
  }
  return promise;
}

/** Dawn, from the `webgpu` package. Its object is held only here and in the Gpu: while it lives, the process does. */
export async function entry(flags: readonly string[]): Promise<{ api: GPU; release(): void; advice: string }> {
  const { note } = await prepareVulkan();
  const dawn = await import("webgpu");
  let api: GPU | undefined = dawn.create([...flags]);
  return {
    get api() {
      return api as GPU;
    },
    release() {
      api = undefined;
    },
    advice: `${note}; \`${DOCTOR}\` explains each adapter`,
  };
}
