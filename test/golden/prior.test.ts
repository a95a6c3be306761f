import { expect, test } from "vitest";
import { loadDenoiser } from "../../src/catalogue.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { nhwc, type Stored, shared, stored } from "../lib/golden.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

const [weights, given] = [shared("models/bootstrap.safetensors"), stored("models/bootstrap.io.safetensors")];

test.skipIf(!weights || !given)(
  "a prior of the shipped one's shape denoises as PyTorch with the same weights",
  async () => {
    using denoiser = await loadDenoiser(weights as string);
    expect(denoiser.parameters).toBe(2_968_236);
    const get = (name: string) => nhwc(given?.get(name) as Stored);
    const x = tensor(get("x").shape, get("x").data);
    for (const sigma of ["0.05", "0.5", "5.0"]) {
      const y = denoiser(x, Number(sigma));
      const error = expectClose(await y.read(), get(`denoised.${sigma}`).data, { l2: 1e-4 });
      console.log(`D(x; ${sigma}): relative L2 error ${error.toExponential(1)}`);
      y.dispose();
    }
    x.dispose();
  },
);
