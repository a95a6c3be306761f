import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DOCTOR, prepareVulkan } from "./driver.node.ts";

const cell = new Int32Array(new SharedArrayBuffer(4));

let waiting = 0;
let turning = false;
let ms = 0;

/**
 * While a promise of Dawn's is pending, dawn.node asks for its events as fast as the event loop turns. Where the
 * processor is the GPU, that takes a core from it: sleeping between two turns gave 118 ms for a convolution of 142.
 * However many wait, a turn sleeps once, so that timers and signals are late by 8 ms at most.
 */
export function patiently<T>(promise: Promise<T>): Promise<T> {
  const settled = () => {
    waiting--;
    ms = 0.5;
  };
  promise.then(settled, settled);
  ms = 0.5;
  waiting++;
  if (!turning) setImmediate(turn);
  turning = true;
  return promise;
}

function turn(): void {
  turning = waiting > 0;
  if (!turning) return;
  Atomics.wait(cell, 0, 0, ms);
  ms = Math.min(8, 1.5 * ms);
  setImmediate(turn);
}

let gc: (() => void) | undefined;

/**
 * Lets go of what JavaScript dropped. Node does not know how much of Dawn's hangs on a small object: lavapipe maps memory for
 * each bind group, and a process has 65,530 mappings.
 */
export function collect(): void {
  if (!gc) {
    setFlagsFromString("--expose-gc");
    gc = runInNewContext("gc") as () => void;
  }
  gc();
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
