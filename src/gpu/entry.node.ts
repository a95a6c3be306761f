/** Dawn, from the `webgpu` package. Its object is held only here and in the Gpu: while it lives, the process does. */
export async function entry(flags: readonly string[]): Promise<{ api: GPU; release(): void; advice: string }> {
  const dawn = await import("webgpu");
  let api: GPU | undefined = dawn.create([...flags]);
  return {
    get api() {
      return api as GPU;
    },
    release() {
      api = undefined;
    },
    advice: "run `npx proxel doctor`: it names each adapter, why it was refused, and installs a software one",
  };
}
