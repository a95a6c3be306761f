import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { expect, test } from "vitest";
import { parseNpy } from "../../src/io/npy.ts";
import { crop, type Picture, readPicture, toGrey, writePicture } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";
import { folder, json, proxel, start } from "../lib/command.ts";

const truth = crop(scene({ width: 96, height: 96 }), { x: 24, y: 8, width: 48, height: 40 });
const quick = ["--steps", "4"];

async function put(dir: string, name: string, p: Picture = truth): Promise<string> {
  await writePicture(join(dir, name), p);
  return join(dir, name);
}

test("each task: a picture out, and an object that says how good it is", async () => {
  const dir = folder();
  const input = await put(dir, "in.png");
  for (const task of ["deblur", "sr", "inpaint", "denoise"]) {
    const out = join(dir, `${task}.png`);
    const ran = await proxel("restore", input, "--task", task, "--simulate", ...quick, "-o", out, "--json");
    expect(ran.code, ran.stderr).toBe(0);
    const told = json(ran);
    expect(Object.keys(told)).toEqual(
      expect.arrayContaining(
        "task solver steps seed noise noiseSigned adapter setupSeconds seconds nfe peakBytes images input output width height psnrMeasurement psnr ssim residual".split(
          " ",
        ),
      ),
    );
    expect([told.task, told.width, told.height, told.nfe]).toEqual([task, 48, 40, task === "denoise" ? 1 : 4]);
    expect(told.images[0].psnr).toBe(told.psnr);
    // the fit is about the noise: not a copy of the measurement (sr has 16 unknowns to one number, so it comes
    // closest to one), and not a picture of something else
    expect(told.residual / told.noise).toBeGreaterThan(0.2);
    expect(told.residual / told.noise).toBeLessThan(2);
    if (task !== "sr") expect(told.psnr).toBeGreaterThan(told.psnrMeasurement);
    const p = await readPicture(out);
    expect([p.width, p.height]).toEqual([48, 40]);
  }
});

test("what degrade writes, restore reads", async () => {
  const dir = folder();
  const input = await put(dir, "in.png");
  for (const [task, more] of [
    ["sr", ["--scale", "2"]],
    ["inpaint", []],
  ] as const) {
    const made = await proxel(
      "degrade",
      input,
      "--task",
      task,
      ...more,
      "-o",
      join(dir, `${task}.png`),
      "--seed",
      "3",
      "--json",
    );
    expect(made.code, made.stderr).toBe(0);
    const { data, shape } = parseNpy(new Uint8Array(readFileSync(join(dir, `${task}.npy`))));
    expect(shape).toEqual(task === "sr" ? [20, 24, 3] : [40, 48, 3]);
    expect(Math.max(...(data as Float32Array))).toBeGreaterThan(0.9);
    const mask = task === "inpaint" ? ["--mask", join(dir, "inpaint.mask.png")] : [];
    const out = join(dir, `${task}-restored.png`);
    const ran = await proxel(
      "restore",
      join(dir, `${task}.npy`),
      "--task",
      task,
      ...more,
      ...mask,
      "--noise",
      "0.05",
      ...quick,
      "-o",
      out,
      "--json",
    );
    expect(ran.code, ran.stderr).toBe(0);
    expect([json(ran).width, json(ran).height, json(ran).psnr]).toEqual([48, 40, null]);
  }
});

test("grey stays grey, alpha and 16 bits stay, several pictures go into a folder", async () => {
  const dir = folder();
  const grey = await put(dir, "grey.png", toGrey(truth));
  const alpha = new Float32Array(48 * 40).map((_, i) => (i % 48) / 47);
  const clear = await put(dir, "clear.png", { ...truth, alpha, bits: 16 });
  const ran = await proxel("restore", grey, clear, "--task", "denoise", "-o", join(dir, "out"), "--json");
  expect(ran.code, ran.stderr).toBe(0);
  expect(ran.stderr).toContain("noise estimated");
  expect(json(ran).images.map((i: { output: string }) => i.output)).toEqual([
    join(dir, "out/grey.png"),
    join(dir, "out/clear.png"),
  ]);
  expect((await sharp(join(dir, "out/grey.png")).metadata()).channels).toBe(1);
  const meta = await sharp(join(dir, "out/clear.png")).metadata();
  expect([meta.depth, meta.hasAlpha]).toEqual(["ushort", true]);
  const back = await readPicture(join(dir, "out/clear.png"));
  expect(Math.max(...alpha.map((a, i) => Math.abs(a - (back.alpha as Float32Array)[i]!)))).toBeLessThan(1e-4);
});

test("bad input is one clear line and code 2, and nothing is written", async () => {
  const dir = folder();
  const input = await put(dir, "in.png");
  writeFileSync(join(dir, "text.png"), "not a picture");
  await put(dir, "mask.png", { ...toGrey(truth), ...crop(toGrey(truth), { x: 0, y: 0, width: 8, height: 8 }) });
  const out = join(dir, "out.png");
  const cases: [string[], string][] = [
    [[join(dir, "missing.png"), "--task", "denoise"], "missing.png"],
    [[join(dir, "text.png"), "--task", "denoise"], "text.png"],
    [[input, "--task", "debluur"], "did you mean deblur"],
    [[input, "--task", "denoise", "--noise", "0"], "--noise expects a number above 0, got 0"],
    [[input, "--task", "denoise", "--noise=-1"], "--noise expects a number above 0, got -1"],
    [[input, "--task", "denoise", "--scale", "2"], "--scale belongs to --task sr"],
    [[input, "--task", "denoise", "--wat"], "--wat"],
    [[input, "--task", "inpaint"], "give a mask"],
    [
      [input, "--task", "inpaint", "--mask", join(dir, "mask.png"), "--noise", "0.1"],
      "the picture is 48x40, the mask 8x8",
    ],
    [[input, "--task", "denoise", "--prior", input], "expected safetensors"],
  ];
  for (const [args, why] of cases) {
    const { code, stderr } = await proxel("restore", ...args, "-o", out);
    const lines = stderr
      .trim()
      .split("\n")
      .filter((line) => !/^Warning: max/.test(line) && !/noise estimated/.test(line));
    expect([args, code, lines.length, lines.join()]).toEqual([args, 2, 1, expect.stringContaining(why)]);
    expect(existsSync(out)).toBe(false);
  }
  const again = await proxel("restore", input, "--task", "denoise", "-o", input);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("--force")]);
});

test("Ctrl-C ends with 130 and leaves nothing behind", async () => {
  const dir = folder();
  const input = await put(dir, "in.png");
  const child = start([
    "restore",
    input,
    "--task",
    "deblur",
    "--simulate",
    "--steps",
    "2000",
    "-o",
    join(dir, "out.png"),
  ]);
  let said = "";
  child.stderr?.on("data", (d) => (said += d));
  const code = new Promise((done) => child.on("close", done));
  const until = Date.now() + 60_000;
  while (!/out\.png|\/2000/.test(said) && Date.now() < until && child.exitCode === null) {
    await sleep(200);
    if (Date.now() > until - 50_000) break;
  }
  child.kill("SIGINT");
  expect(await code).toBe(130);
  expect(readdirSync(dir)).toEqual(["in.png"]);
});
