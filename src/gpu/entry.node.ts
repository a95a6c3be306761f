import { DOCTOR, prepareVulkan } from "./driver.node.ts";

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
