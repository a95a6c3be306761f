// Published networks as denoisers: what D(x; s) must be follows in float64 from what the official network gave.
import { describe, expect, test } from "vitest";
import { rng } from "../kernels/random.ts";
import { network } from "../src/architectures.ts";
import { type LoadDenoiserOptions, loadDenoiser } from "../src/catalogue.ts";
import { faceOf } from "../src/denoisers.ts";
import { ddpmTable, vpSigma } from "../src/diffusion/schedules.ts";
import { initParams } from "../src/nets/net.ts";
import { PRESETS, presetFor } from "../src/presets.ts";
import { NCSNPP } from "../src/recognise_score_sde.ts";
import { dispose } from "../src/tensor/scope.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";
import { formatSafetensors, type StoredType } from "../src/weights/safetensors.ts";
import { expectClose } from "./lib/close.ts";
import { golden, nhwc, type Stored, shared } from "./lib/golden.ts";
import { evaluate, withGpu } from "./lib/gpu.ts";
import { seeded } from "./lib/seeded.ts";

withGpu();

interface Known {
  /** The picture and the levels for which the official network saw its x, and what D must give. */
  x: Float64Array;
  sigma: number[];
  D: Float64Array;
}
type Values = ArrayLike<number>;

/** x [N, H, W, C] times one number per sample. */
const per = (a: readonly number[], x: Values): Float64Array =>
  Float64Array.from(x, (v, i) => v * (a[Math.floor((i * a.length) / x.length)] as number));
const plus = (x: Values, y: Values): Float64Array => Float64Array.from(x, (v, i) => v + (y[i] as number));
const signed = (x: Values): Float64Array => Float64Array.from(x, (v) => 2 * v - 1);
/** The first channels of each pixel. */
const first = ({ shape, data }: Stored, C: number): Float64Array => {
  const all = shape[3] as number;
  return Float64Array.from(
    { length: (data.length / all) * C },
    (_, i) => data[Math.floor(i / C) * all + (i % C)] as number,
  );
};

/** D = x - s eps(x / sqrt(1 + s^2)) where the network saw x0. */
const noise = (x0: Values, sigma: number[], eps: Values): Known => {
  const x = per(
    sigma.map((s) => Math.sqrt(1 + s * s)),
    x0,
  );
  return {
    x,
    sigma,
    D: plus(
      x,
      per(
        sigma.map((s) => -s),
        eps,
      ),
    ),
  };
};

/** The level of a fractional step, log-linear between the whole ones. */
const levelAt = (t: number): number => {
  const { sigma } = ddpmTable();
  const j = Math.min(998, Math.floor(t));
  return Math.exp(Math.log(sigma[j] as number) * (j + 1 - t) + Math.log(sigma[j + 1] as number) * (t - j));
};

const CASES: Record<
  string,
  { known(io: (name: string) => Stored): Known; words: RegExp; options?: LoadDenoiserOptions }
> = {
  adm_updown: {
    known: (io) => noise(io("x").data, [...io("timesteps").data].map(levelAt), first(io("y"), 3)),
    words:
      /^ADM U-Net.*354,822 parameters: ADM, its learnt variance left out: predicts noise \(vp\), 1000 linear steps/,
  },
  pesser_ddpm: {
    known: (io) => noise(io("x").data, [...io("t").data].map(levelAt), io("y").data),
    words: /DDPM: predicts noise \(vp\)/,
  },
  ddpmpp_vp: {
    known: (io) =>
      noise(
        io("x").data,
        [...io("sigma").data].map((t) => vpSigma(t / 999)),
        io("y").data,
      ),
    words: /VP process: predicts noise \(vp\), label 999 t/,
  },
  ncsnpp_residual: {
    known(io) {
      const s = [...io("sigma").data]; // of pictures in [0, 1]
      const x = signed(io("x").data);
      return {
        x,
        sigma: s.map((v) => 2 * v),
        D: plus(
          x,
          per(
            s.map((v) => 2 * v * v),
            io("y").data,
          ),
        ),
      };
    },
    words: /VE process: score \(ve\), label sigma, sigma 0\.02 to 100, the network sees \[0, 1\]/,
  },
  edm_ncsnpp: {
    known: (io) => ({ x: io("x").data, sigma: [...io("sigma").data], D: io("y").data }),
    words: /VEPrecond around SongUNet \(ve\)/,
  },
  dncnn: {
    known: (io) => ({ x: signed(io("x").data), sigma: [0.2, 0.2], D: signed(io("y").data) }),
    words: /DnCNN: gives the picture, blind, trained at sigma 0\.2/,
    options: { sigma: 0.2 },
  },
};

describe("D(x; s) of the official networks", () => {
  for (const [name, { known, words, options = {} }] of Object.entries(CASES)) {
    const file = golden(name);
    test.skipIf(!file)(name, async () => {
      const { json, io } = file as NonNullable<typeof file>;
      const get = (key: string) => nhwc((io as Map<string, Stored>).get(key) as Stored);
      const { x, sigma, D } = known(get);
      using denoiser = await loadDenoiser(shared(`golden/${name}.safetensors`) as string, {
        ...options,
        architecture: json.official_class as string,
        config: json.config as Record<string, unknown>,
      });
      const { y } = await evaluate(() => ({ y: denoiser(tensor(get("x").shape, x), sigma) as Tensor }));
      console.log(`${name}: ${expectClose(y, D, { l2: 2e-4 }).toExponential(1)}; ${denoiser.description}`);
      expect(denoiser.description).toMatch(words);
      expect(denoiser.architecture).toBe(json.official_class);
    });
  }
});

/** A file of a tiny network with random numbers. */
async function made(architecture: string, config: Record<string, unknown>, extra: Record<string, number[]> = {}) {
  const { tree, chunks } = initParams(network(architecture, config), rng(3));
  const tensors: Record<string, { dtype: StoredType; shape: readonly number[]; bytes: Uint8Array }> = {};
  for (const [name, t] of Object.entries(tree))
    tensors[name] = { dtype: "F32", shape: t.shape, bytes: new Uint8Array((await t.read()).buffer) };
  for (const [name, values] of Object.entries(extra))
    tensors[name] = { dtype: "F64", shape: [values.length], bytes: new Uint8Array(Float64Array.from(values).buffer) };
  dispose([...Object.values(tree), ...chunks]);
  return formatSafetensors(tensors);
}

const ncsnpp = {
  nf: 8,
  ch_mult: [1, 1],
  num_res_blocks: 1,
  attn_resolutions: [16],
  image_size: 32,
  num_channels: 3,
  fir: true,
  fir_kernel: [1, 3, 3, 1],
  skip_rescale: true,
  resblock_type: "biggan",
  progressive: "none",
  progressive_input: "residual",
  progressive_combine: "sum",
  embedding_type: "positional",
  fourier_scale: 16,
  scale_by_sigma: true,
  centered: false,
  sigma_min: 0.01,
  sigma_max: 50,
  num_scales: 10,
  nonlinearity: "swish",
};

describe("a file that needs more than its tensors", () => {
  test("VE of few levels: only a preset tells it from VP; D is exact at a level, and rounds to it", async () => {
    const levels = Array.from({ length: 10 }, (_, j) => 50 * (0.01 / 50) ** (j / 9));
    const file = await made(NCSNPP, ncsnpp, { sigmas: levels });
    await expect(loadDenoiser(file)).rejects.toThrow(/scale_by_sigma: positional embedding with a residual input/);
    using denoiser = await loadDenoiser(file, { preset: "ncsnpp_cifar10_ve_discrete" });
    expect(denoiser.description).toMatch(/discrete VE process.*index of 10 levels.*preset ncsnpp_cifar10_ve_discrete/);
    expect(denoiser.sigmaMax).toBeCloseTo(100, 9);
    expect(denoiser.round?.(40)).toBeCloseTo(2 * (levels[1] as number), 9);
    const j = 4;
    const s = levels[j] as number;
    const x = seeded("x", 16 * 16 * 3);
    const { y, score } = await evaluate(() => {
      const bare = network(NCSNPP, { ...ncsnpp, continuous: false });
      const { tree, chunks } = initParams(bare, rng(3));
      for (const chunk of chunks) chunk.dispose();
      const chw = new Float64Array(x.length);
      x.forEach((v, i) => (chw[(i % 3) * 256 + Math.floor(i / 3)] = (v + 1) / 2));
      const given = new Map([["sigma", { shape: [1], data: [j] }]]);
      return {
        y: denoiser(tensor([1, 16, 16, 3], x), 2 * s) as Tensor,
        score: bare.forward(tree, tensor([1, 3, 16, 16], chw), given),
      };
    });
    const want = Float64Array.from(x, (v, i) => v + 2 * s * s * (score[(i % 3) * 256 + Math.floor(i / 3)] as number));
    expectClose(y, want, { l2: 1e-5 });
  });

  test("DnCNN without its level, a preset of another network, a network that denoises nothing", async () => {
    const file = await made("DPIR models.DnCNN", { in_nc: 1, out_nc: 1, nc: 4, nb: 3, act_mode: "R" });
    await expect(loadDenoiser(file)).rejects.toThrow(/trained for one noise level.*give a preset/);
    await expect(loadDenoiser(file, { preset: "ffhq_10m" })).rejects.toThrow(
      /preset ffhq_10m expects guided_diffusion.*holds DnCNN/,
    );
    await expect(loadDenoiser(file, { preset: "nobody" })).rejects.toThrow(/expected a preset of ffhq_10m.*got nobody/);
    using denoiser = await loadDenoiser(file, { preset: "dncnn_25" });
    expect(denoiser.sigmaMin).toBeCloseTo(50 / 255, 12);
    expect(denoiser.round?.(3)).toBe(denoiser.sigmaMin);
    expect(() => faceOf("fastMRI models.varnet.VarNet", {}, {}, "x.pt")).toThrow(/expected a network that denoises/);
    expect(presetFor("/a/b/drunet_color.pth")[1]).toBe(PRESETS.drunet_color);
  });

  test("RAM denoises where its operator is the identity", async () => {
    const config = { in_channels: [1, 2, 3], nc: [4, 4, 8, 8], nb: 1 };
    using denoiser = await loadDenoiser(await made("ram.RAM", config));
    expect(denoiser.description).toMatch(/^RAM, .*identity as its operator/);
    const x = seeded("x", 8 * 12 * 3);
    const { y, raw } = await evaluate(() => {
      const bare = network("ram.RAM", config);
      const { tree, chunks } = initParams(bare, rng(3));
      dispose(chunks);
      const chw = new Float64Array(x.length);
      x.forEach((v, i) => (chw[(i % 3) * 96 + Math.floor(i / 3)] = (v + 1) / 2));
      const given = new Map([["sigma", { shape: [1], data: [0.1] }]]);
      return { y: denoiser(tensor([1, 8, 12, 3], x), 0.2), raw: bare.forward(tree, tensor([1, 3, 8, 12], chw), given) };
    });
    expectClose(
      y,
      Float64Array.from(x, (_, i) => 2 * (raw[(i % 3) * 96 + Math.floor(i / 3)] as number) - 1),
      { l2: 1e-5 },
    );
  });

  test("DRUNet sees the level as a channel, each sample its own", async () => {
    const config = { in_nc: 4, out_nc: 3, nc: [4, 4, 8, 8], nb: 1 };
    const file = await made("DPIR models.UNetRes", config);
    using denoiser = await loadDenoiser(file);
    expect(denoiser.description).toMatch(/^DRUNet, .*told sigma\/2 as a channel/);
    const x = seeded("x", 2 * 16 * 16 * 3);
    const { each, one, raw } = await evaluate(() => {
      const bare = network("DPIR models.UNetRes", config);
      const { tree, chunks } = initParams(bare, rng(3));
      for (const chunk of chunks) chunk.dispose();
      const chw = new Float64Array(2 * 4 * 256);
      x.forEach((v, i) => {
        const [n, k] = [Math.floor(i / 768), i % 768];
        chw[n * 1024 + (k % 3) * 256 + Math.floor(k / 3)] = (v + 1) / 2;
      });
      chw.fill(0.1, 768, 1024).fill(0.05, 1792, 2048);
      const second = tensor([1, 16, 16, 3], x.subarray(768));
      return {
        each: denoiser(tensor([2, 16, 16, 3], x), [0.2, 0.1]) as Tensor,
        one: denoiser(second, 0.1) as Tensor,
        raw: bare.forward(tree, tensor([2, 4, 16, 16], chw), new Map()),
      };
    });
    const want = Float64Array.from(x, (_, i) => {
      const [n, k] = [Math.floor(i / 768), i % 768];
      return 2 * (raw[n * 768 + (k % 3) * 256 + Math.floor(k / 3)] as number) - 1;
    });
    expectClose(each, want, { l2: 1e-5 });
    expectClose(one, want.subarray(768), { l2: 1e-5 });
  });
});
