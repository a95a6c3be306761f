import { join } from "node:path";
import { expect, test } from "vitest";
import { crop, readPicture, writePicture } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";
import { folder, json, proxel } from "../lib/command.ts";

const truth = crop(scene({ width: 96, height: 96 }), { x: 24, y: 8, width: 48, height: 40 });
async function simulated() {
  const dir = folder();
  const input = join(dir, "in.png");
  await writePicture(input, truth);
  return {
    dir,
    run: (...more: string[]) => proxel("restore", input, "--task", "deblur", "--simulate", ...more, "--json"),
  };
}

test("several draws: their mean, and how far they lie apart", async () => {
  const { dir, run } = await simulated();
  const out = join(dir, "out.png");
  const one = await run("--steps", "4", "-o", join(dir, "one.png"));
  const ran = await run("--steps", "4", "--samples", "3", "-o", out);
  expect(ran.code, ran.stderr).toBe(0);
  const told = json(ran);
  console.log(`psnr of 3 draws' mean ${told.psnr}, of one ${json(one).psnr}; deviation ${told.std}`);
  expect(told.psnr).toBeGreaterThan(json(one).psnr);
  expect(told.std).toBeGreaterThan(0.001);
  expect(told.std).toBeLessThan(0.2);
  const deviation = await readPicture(join(dir, "out.std.png"));
  expect([deviation.width, deviation.height]).toEqual([48, 40]);
  // the picture says what the number does: white, 1, is a quarter of the range
  const mean = deviation.data.reduce((a, b) => a + b, 0) / deviation.data.length;
  expect((mean + 1) / 2 / 4).toBeCloseTo(told.std, 2);
});

test("several draws of a picture that is restored in pieces are refused, before anything is computed", async () => {
  const dir = folder();
  const input = join(dir, "big.png");
  await writePicture(input, scene({ width: 256, height: 256 }));
  const out = join(dir, "out.png");
  const ran = await proxel("restore", input, ..."--task deblur --simulate --samples 2 --piece 192 -o".split(" "), out);
  expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining("--samples: big.png is restored in 4 pieces")]);
});

test.each(["pnp-gd", "pnp-admm", "dpir", "red-diff", "pnp-edm", "cm4ir", "latino"])("--solver %s", async (name) => {
  const { dir, run } = await simulated();
  const ran = await run(
    "--solver",
    name,
    "--blur",
    "1.5",
    ...(name === "pnp-edm" ? ["--steps", "3"] : []),
    "-o",
    join(dir, "out.png"),
  );
  expect(ran.code, ran.stderr).toBe(0);
  const told = json(ran);
  console.log(`${name}: ${told.psnrMeasurement} -> ${told.psnr} dB, ${told.nfe} calls, ${told.seconds} s`);
  expect([told.solver, told.psnr > 15]).toEqual([name, true]);
});

test("the prior's samplers by name", async () => {
  const dir = folder();
  for (const name of ["edm", "ddim", "ddpm", "pc"]) {
    const out = join(dir, `${name}.png`);
    const ran = await proxel(
      "sample",
      "-n",
      "1",
      "--size",
      "16",
      "--solver",
      name,
      "--steps",
      "3",
      "-o",
      out,
      "--json",
    );
    expect(ran.code, ran.stderr).toBe(0);
    expect([json(ran).solver, json(ran).steps]).toEqual([name, 3]);
  }
});
