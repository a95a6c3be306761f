import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { loadDenoiser } from "../../src/catalogue.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc, type Stored } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

const device = withGpu();

const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const weights = new Blob([gunzipSync(fixture("prior.safetensors.gz"))]);
const io = parseSafetensors(fixture("prior.io.safetensors"));
const get = (name: string): Stored =>
  nhwc({ shape: io.entry(name).shape, data: Float64Array.from(widen(io.entry(name))) });

const LEVELS = { "0.1": 0.1, "2.5": 2.5, each: [0.3, 7] };

// the file holds halves, so to keep them as halves on the GPU loses nothing
test.for(["f32", "f16"] as const)(
  "a weights file denoises as PyTorch says, its weights stored as %s",
  async (dtype, { skip }) => {
    if (dtype === "f16" && !device.gpu.f16) skip("this adapter has no f16");
    using denoiser = await loadDenoiser(weights, { dtype });
    expect({ ...denoiser }).toMatchObject({ parameters: 832_684, channels: 3, sigmaMin: 0.01, sigmaMax: 50 });
    const x = get("x");
    for (const [name, sigma] of Object.entries(LEVELS)) {
      const { y } = await evaluate(() => ({ y: denoiser(tensor(x.shape, x.data), sigma) }));
      const error = expectClose(y, get(name).data, { l2: 1e-5 });
      console.log(`${dtype}, sigma ${sigma}: ${error.toExponential(1)}`);
    }
  },
);

test("a denoiser that was disposed says so", async () => {
  const denoiser = await loadDenoiser(weights);
  denoiser[Symbol.dispose]();
  using x = tensor([1, 16, 16, 3], new Float32Array(768));
  expect(() => denoiser(x, 1)).toThrow("denoiser: it was disposed; load it again");
});
