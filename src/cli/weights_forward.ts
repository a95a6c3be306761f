import { cast } from "../../kernels/cast.ts";
import { ARCHITECTURES, type Given } from "../architectures.ts";
import { checkPicture } from "../architectures_shared.ts";
import { WeightsError } from "../errors.ts";
import { gpu, openGpu } from "../gpu/open.ts";
import { examine, loadTensors, settled } from "../identify.ts";
import type { Config } from "../recognise_keys.ts";
import { dispose, scope } from "../tensor/scope.ts";
import { tensor } from "../tensor/tensor.ts";
import { openWeights } from "../weights/open.ts";
import { saveWeights } from "../weights/save.ts";
import { openSource } from "../weights/source.ts";
import { widen } from "../weights/stored.ts";
import { interruptible } from "./progress.ts";
import { bytesBar, dtypeOf, open, target, type WeightsValues } from "./weights_files.ts";

const MOST_JSON = 1 << 20;

/** `weights forward`: the network of a file on stored tensors, as the official code's forward. */
export async function forward(path: string, values: WeightsValues): Promise<number> {
  if (!values.input) throw new TypeError("say what goes in: --input IN.safetensors");
  const out = await target(values);
  const dtype = dtypeOf(values) ?? "f32";
  const told = values.config === undefined ? {} : await configOf(values.config);
  const { signal, done } = interruptible();
  const bar = bytesBar("load");
  const file = await open(path, values, signal);
  try {
    const found = await examine(file, told);
    const network = settled(found, path);
    const given = await inputs(values.input, ["x", ...network.inputs], found.title);
    checkPicture(network, (given.get("x") as Given).shape, `${values.input}: ${found.title}`);
    for (const [key, why] of Object.entries(found.assumed)) console.error(`weights: assumed ${key}: ${why}`);

    using _ = await openGpu();
    const began = performance.now();
    const params = await loadTensors(file, found, { dtype, signal, onProgress: bar.onProgress });
    try {
      const { shape, data } = given.get("x") as Given;
      const x = tensor(shape, data, dtype);
      using y = scope(() => cast(network.forward(params, x, given), "f32"));
      x.dispose();
      await saveWeights(out, { y });
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const peak = (gpu().pool.peakBytes / 2 ** 20).toFixed(0);
      console.error(
        `weights: ${found.title}, y [${y.shape}] -> ${out} in ${seconds} s, at most ${peak} MiB on ${gpu().adapter}`,
      );
      const wanted = given.get("y");
      if (wanted) console.error(`weights: ${difference(await y.read(), wanted)}`);
    } finally {
      dispose(params);
    }
    return 0;
  } finally {
    bar.stop();
    await file.close();
    done();
  }
}

/** `official_class` and `config` of a JSON file; or the arguments alone. */
async function configOf(path: string): Promise<{ architecture?: string; config: Config }> {
  let json: unknown;
  const file = await openSource(path);
  try {
    json = JSON.parse(new TextDecoder().decode(await file.read(0, Math.min(file.size, MOST_JSON))));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new WeightsError(`${path}: expected JSON, got none (${error.message.replace(/\p{C}/gu, "?")})`);
  } finally {
    await file.close?.();
  }
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject(json)) throw new WeightsError(`${path}: expected an object with official_class and config`);
  const architecture = json.official_class ?? json.architecture;
  const config = json.config ?? (architecture === undefined ? json : {});
  if (!isObject(config)) throw new WeightsError(`${path}: expected an object as config, got ${JSON.stringify(config)}`);
  if (architecture === undefined) return { config };
  if (typeof architecture !== "string" || !Object.hasOwn(ARCHITECTURES, architecture))
    throw new WeightsError(
      `${path}: expected an official_class of ${Object.keys(ARCHITECTURES).join(", ")}; got ${JSON.stringify(architecture)}`,
    );
  return { architecture, config };
}

/** The inputs of these names (in brackets: if they are there), and y if it is. */
async function inputs(path: string, names: readonly string[], title: string): Promise<Map<string, Given>> {
  const file = await openWeights(path);
  try {
    const given = new Map<string, Given>();
    const missing: string[] = [];
    for (const name of [...names, "(y)"]) {
      const bare = name.replace(/[()]/g, "");
      if (!file.has(bare)) {
        if (bare === name) missing.push(name);
        continue;
      }
      const stored = await file.read(bare);
      given.set(bare, { shape: stored.shape, data: widen(stored) });
    }
    if (missing.length)
      throw new WeightsError(
        `${path}: ${title} takes ${names.join(", ")}; ${missing.join(", ")} is missing, there is ${file.names.slice(0, 8).join(", ") || "nothing"}`,
      );
    return given;
  } finally {
    await file.close();
  }
}

function difference(y: Float32Array, { data }: Given): string {
  if (data.length !== y.length) return `the y of the input has ${data.length} numbers, this one ${y.length}`;
  let [error, norm] = [0, 0];
  y.forEach((v, i) => {
    error += (v - (data[i] as number)) ** 2;
    norm += (data[i] as number) ** 2;
  });
  return `relative L2 difference from the y of the input: ${Math.sqrt(error / norm).toExponential(1)}`;
}
