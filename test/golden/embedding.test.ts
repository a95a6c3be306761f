import { expect, test } from "vitest";
import { sinusoidal } from "../../kernels/embedding.ts";
import { fourier } from "../../kernels/fourier.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { golden } from "../lib/golden.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";

withGpu();

const ops = golden("ops");
const frequencies = (name: string) => tensor([data(name).length], data(name));
const data = (name: string) => ops?.tensors.get(name)?.data as Float64Array;

test.skipIf(!ops)("the embeddings of ADM, DDPM, EDM and score_sde, as PyTorch gives them", async () => {
  const t = (name: string) => [...data(`${name}.in.t`)];
  const out = await evaluate(() => ({
    emb_adm_even: sinusoidal(t("emb_adm_even"), 32),
    emb_adm_odd: sinusoidal(t("emb_adm_odd"), 33),
    emb_ddpm: sinusoidal(t("emb_ddpm"), 32, { kind: "ddpm" }),
    emb_edm_dhariwal: sinusoidal(t("emb_edm_dhariwal"), 32),
    emb_edm_song_positional: sinusoidal(t("emb_edm_song_positional"), 32, { kind: "ddpm" }),
    emb_fourier_scoresde: fourier(t("emb_fourier_scoresde"), frequencies("emb_fourier_scoresde.param.W")),
    emb_fourier_edm_raw: fourier(t("emb_fourier_edm_raw"), frequencies("emb_fourier_edm_raw.param.freqs"), {
      first: "cos",
    }),
  }));
  for (const [name, got] of Object.entries(out)) {
    const want = data(`${name}.y`);
    expect(got.length).toBe(want.length);
    const worst = Math.max(...want.map((v, i) => Math.abs(v - got[i]!)));
    console.log(`${name}: largest difference ${worst.toExponential(1)}`);
    // theirs is evaluated in f32: an argument of 2 pi 16 * 6 * 3 is off by 1e-4 there
    expect(worst, name).toBeLessThan(name.includes("fourier") ? 2e-4 : 5e-5);
  }
});
