// The page: what was chosen in the form, the job, and what is shown of it.
import { type LoadedDenoiser, loadDenoiser } from "../catalogue.ts";
import { ProxelError } from "../errors.ts";
import { type Gpu, openGpu } from "../gpu/open.ts";
import { type Picture, toGrey, writePicture } from "../io/picture.ts";
import { scene } from "../io/scene.ts";
import { defaultNoise, type Task } from "../tasks.ts";
import { restorePicture, type Settings } from "./job.ts";
import { open, toCanvas, within } from "./pictures.ts";
import { compareView } from "./view.ts";

const PRIOR = "models/prior.safetensors";
const element = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;
const input = (id: string) => element<HTMLInputElement>(id);
const form = element<HTMLFormElement>("controls");
const chosen = (name: string): string => String(new FormData(form).get(name));
const view = compareView(element<HTMLCanvasElement>("view"), input("split"));

let picture: Picture | undefined;
let name = "scene";
let running: AbortController | undefined;
/** The last restoration, as far as it went. */
let result: { before: OffscreenCanvas; truth?: OffscreenCanvas; after: OffscreenCanvas; picture: Picture } | undefined;
let engine: Promise<{ gpu: Gpu; denoiser: LoadedDenoiser }> | undefined;

const say = (text: string) => {
  element("caption").textContent = text;
};

/** Our own errors are written for people; others get a word before them. */
function complain(error: unknown): void {
  const ours = error instanceof ProxelError || error instanceof RangeError || error instanceof TypeError;
  const { message } = error as Error;
  element("alert").textContent = ours ? message : `Something went wrong here: ${message}`;
  element("alert").hidden = false;
  element("alert").scrollIntoView({ block: "nearest" });
}
const calm = () => {
  element("alert").hidden = true;
};

/** The GPU and the prior, opened once; a failure may be tried again. */
function start(): NonNullable<typeof engine> {
  engine ??= (async () => {
    const gpu = await openGpu();
    element("adapter").textContent = gpu.software
      ? `Adapter: ${gpu.adapter}. It is the processor, not a GPU: expect minutes.`
      : `Adapter: ${gpu.adapter}.`;
    try {
      return { gpu, denoiser: await loadDenoiser(PRIOR) };
    } catch (error) {
      gpu[Symbol.dispose]();
      throw error;
    }
  })();
  engine.catch(() => {
    engine = undefined;
  });
  return engine;
}

/** The chosen picture at the size to work on, alone on the stage. */
function show(): void {
  if (!picture) return;
  const simulated = chosen("source") === "simulate";
  const working = within(picture, Number(element<HTMLSelectElement>("size").value), simulated ? "scale" : "cut");
  result = undefined;
  view.show(toCanvas(working));
  for (const id of ["tag-before", "tag-after", "split", "figures", "truth", "save"]) element(id).hidden = true;
  say(
    `${name}, ${working.width} × ${working.height}${working.width === picture.width && working.height === picture.height ? "" : ` of ${picture.width} × ${picture.height}`}.`,
  );
}

/** Shows the fields that belong to what is chosen. */
function arrange(): void {
  const [task, source] = [chosen("task") as Task, chosen("source")];
  for (const field of document.querySelectorAll<HTMLElement>("[data-for]")) {
    const { for: of, source: when } = field.dataset;
    field.hidden = of !== task || (when !== undefined && when !== source);
  }
  const simulated = source === "simulate";
  const masked = task === "inpaint" && !simulated;
  element("source-hint").textContent = simulated
    ? `${{ deblur: "Blurs", sr: "Shrinks", inpaint: "Cuts a box out of", denoise: "Adds noise to" }[task]} the picture, then restores it, so that the gain can be measured.`
    : masked
      ? "Fills what the mask leaves black, or what is transparent."
      : "The picture itself is the measurement.";
  input("noise").placeholder = simulated ? String(defaultNoise(task)) : "estimated";
  input("blur").disabled = task !== "deblur"; // an unseen field must not hold up the form
  input("steps").disabled = task === "denoise";
}

async function settings(of: Picture): Promise<Settings> {
  const task = chosen("task") as Task;
  const simulated = chosen("source") === "simulate";
  const noise = input("noise").value;
  const mask = task === "inpaint" && !simulated ? await knownOf(of) : undefined;
  return {
    task,
    simulated,
    steps: input("steps").valueAsNumber,
    seed: input("seed").valueAsNumber,
    ...(noise ? { noise: Number(noise) } : {}),
    ...(task === "deblur" ? { blur: input("blur").valueAsNumber } : {}),
    ...(task === "sr" ? { scale: Number(element<HTMLSelectElement>("scale").value) } : {}),
    ...(mask ? { mask } : {}),
  };
}

/** Which pixels are known: from the mask picture, else from what is opaque. */
async function knownOf({ width, height, alpha }: Picture): Promise<Settings["mask"]> {
  const file = input("mask").files?.[0];
  if (!file) return alpha && { width, height, data: alpha.map((a) => (a > 0.5 ? 1 : 0)) };
  const mask = toGrey(within(await open(file), Number(element<HTMLSelectElement>("size").value), "cut"));
  return { width: mask.width, height: mask.height, data: mask.data.map((v) => (v > 0 ? 1 : 0)) };
}

async function restore(): Promise<void> {
  if (!picture || running) return;
  calm();
  running = new AbortController();
  const { signal } = running;
  const busy = (on: boolean) => {
    input("go").disabled = on;
    element("progress").hidden = !on;
    for (const id of ["truth", "save"]) element(id).hidden = on || !result || (id === "truth" && !result.truth);
  };
  show();
  busy(true);
  // below one another on a phone: what happens should be in sight
  if (matchMedia("(max-width: 60rem)").matches) element("frame").scrollIntoView();
  const bar = element<HTMLProgressElement>("bar");
  bar.removeAttribute("value");
  try {
    say("Opening the GPU and loading the prior (6 MB).");
    const { denoiser } = await start();
    const simulated = chosen("source") === "simulate";
    const working = within(picture, Number(element<HTMLSelectElement>("size").value), simulated ? "scale" : "cut");
    const options = await settings(working);
    // what is to be filled in must not stay transparent
    if (options.mask) delete working.alpha;
    signal.throwIfAborted();
    say("Measuring, and compiling shaders.");
    const began = performance.now();
    let first = began;
    let note = "";
    let measured: number | undefined;
    for await (const event of restorePicture(working, options, denoiser, signal)) {
      if ("shown" in event) {
        const before = toCanvas(event.shown);
        result = {
          before,
          after: before,
          picture: event.shown,
          ...(event.truth ? { truth: toCanvas(event.truth) } : {}),
        };
        note = event.estimated ? ` Noise estimated at ${event.noise.toFixed(3)}.` : "";
        measured = event.psnr;
        figure("psnr-before", measured);
        for (const id of ["psnr-after", "gain"]) figure(id, undefined);
        element("figures").hidden = event.psnr === undefined;
        view.show(before);
        continue;
      }
      const { done, steps, psnr } = event;
      if (!result) continue;
      result = { ...result, after: toCanvas(event.picture), picture: event.picture };
      for (const id of ["tag-before", "tag-after", "split"]) element(id).hidden = false;
      compare();
      figure("psnr-after", psnr);
      // on the way there the guess may be worse than the measurement: it is told at the end
      if (done === steps)
        figure("gain", psnr === undefined || measured === undefined ? undefined : psnr - measured, "+");
      bar.value = done / steps;
      const now = performance.now();
      if (done === 1) first = now; // the first step compiles
      const left = done > 1 ? ((now - first) / (done - 1)) * (steps - done) : undefined;
      if (done < steps)
        say(`Step ${done} of ${steps}${left === undefined ? "" : `, about ${seconds(left)} left`}.${note}`);
      else say(`Done: ${steps === 1 ? "one step" : `${steps} steps`} in ${seconds(now - began)}.${note}`);
    }
  } catch (error) {
    if ((error as Error).name === "AbortError")
      say(result && result.after !== result.before ? "Stopped; this is how far it came." : "Stopped.");
    else {
      say("Not restored.");
      complain(error);
    }
  } finally {
    running = undefined;
    busy(false);
  }
}

const seconds = (ms: number): string =>
  ms < 10_000
    ? `${(ms / 1000).toFixed(1)} s`
    : ms < 100_000
      ? `${Math.round(ms / 1000)} s`
      : `${Math.round(ms / 60_000)} min`;

function figure(id: string, value: number | undefined, sign = ""): void {
  element(id).textContent = value === undefined ? "–" : `${value >= 0 ? sign : "−"}${Math.abs(value).toFixed(2)} dB`;
}

/** Puts the measurement, or the truth while that is asked for, beside the result. */
function compare(): void {
  if (!result) return;
  const truth = element("truth").getAttribute("aria-pressed") === "true" && !running ? result.truth : undefined;
  element("tag-before").textContent = truth ? "Truth" : "Measured";
  view.show(truth ?? result.before, result.after);
}

async function take(file: File): Promise<void> {
  if (running) return;
  calm();
  try {
    picture = await open(file);
    name = file.name;
    show();
  } catch (error) {
    complain(error);
  }
}

function paintScene(): void {
  if (running) return;
  const size = Number(element<HTMLSelectElement>("size").value) || 256;
  [picture, name] = [scene({ width: size, height: size }), "scene"];
  show();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void restore();
});
form.addEventListener("change", ({ target }) => {
  arrange();
  if (!running && target === element("size")) name === "scene" ? paintScene() : show();
});
input("file").addEventListener("change", () => {
  const file = input("file").files?.[0];
  if (file) void take(file);
});
element("scene").addEventListener("click", paintScene);
element("stop").addEventListener("click", () => running?.abort());
element("truth").addEventListener("click", ({ currentTarget }) => {
  const button = currentTarget as HTMLElement;
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  compare();
});
element("save").addEventListener("click", () => {
  if (result) writePicture(`${name.replace(/\.[^.]+$/, "")}-restored.png`, result.picture).catch(complain);
});
element("zoom-in").addEventListener("click", () => view.zoom(1.5));
element("zoom-out").addEventListener("click", () => view.zoom(1 / 1.5));
element("zoom-fit").addEventListener("click", () => view.whole());

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const file = event.dataTransfer?.files[0];
  if (file) void take(file);
});

arrange();
// after the first paint: drawing the scene takes a moment
setTimeout(paintScene);
if (!navigator.gpu)
  start().catch(complain); // says at once what is missing
else element("adapter").textContent = "WebGPU is here; the prior is loaded when you restore.";
