import { expect, test } from "vitest";
import { measureNet, netLine } from "../../bench/nets.ts";
import { GpuError } from "../../src/errors.ts";

const MiB = 2 ** 20;
/** The shape of the ADM that is released for faces, with half the channels and two levels less. */
const config = {
  image_size: 64,
  in_channels: 3,
  out_channels: 6,
  model_channels: 64,
  num_res_blocks: 1,
  channel_mult: [1, 1, 2, 4],
  attention_resolutions: [4],
  num_head_channels: 64,
  use_scale_shift_norm: true,
  resblock_updown: true,
};

// PyTorch's peak for the released one is seven activations of the first level: specification of networks, section 11
test.each([
  ["f32", 7 * MiB],
  ["f16", 3.5 * MiB],
] as const)(
  "a network in %s, streamed from its file and planned, takes little more than its weights and activations",
  async (dtype, live) => {
    const { gc } = globalThis as { gc?: () => void };
    gc?.();
    let got: Awaited<ReturnType<typeof measureNet>>;
    try {
      got = await measureNet({ name: `small ADM, ${dtype}`, config, dtype, side: 64, live }, { again: false });
    } catch (error) {
      if (error instanceof GpuError && error.limit?.name === "shader-f16") return;
      throw error;
    }
    console.log(netLine(got));
    expect(got.parameters).toBeGreaterThan(5e6);
    expect(got.finite).toBe(true);
    expect(got.deviation).toBeGreaterThan(0);
    expect(got.ratio).toBeLessThan(1.3);
    expect(got.largestBuffer).toBeLessThanOrEqual(got.bufferLimit);
    expect(got.hostBytes).toBeLessThan(150 * MiB);
  },
);
