// The README's example, run as it stands, and the command beside it: both must make the same measurement.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { wgslEsbuild } from "../../src/build/link.mjs";
import { writePicture } from "../../src/io/picture.ts";
import { scene } from "../../src/io/scene.ts";
import { folder, json, proxel } from "../lib/command.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

test("the twelve lines restore a picture", async () => {
  const dir = folder();
  await writePicture(join(dir, "face.png"), scene({ width: 64, height: 64 }));
  const example = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] as string;
  writeFileSync(join(dir, "example.ts"), example);
  const outfile = join(root, "dist", `story-${process.pid}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: [join(dir, "example.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: ["node20", "es2022"],
    alias: { proxel: join(root, "src/index.ts") },
    external: ["webgpu", "sharp"],
    plugins: [wgslEsbuild()],
    logLevel: "error",
  });
  execFileSync("mkdir", ["-p", join(dir, "models")]);
  copyFileSync(join(root, "models/prior.safetensors"), join(dir, "models/prior.safetensors"));
  const said = execFileSync(process.execPath, [outfile], { cwd: dir, encoding: "utf8" });
  execFileSync("rm", [outfile]);
  expect(said).toContain("20/20");
  expect(existsSync(join(dir, "restored.png"))).toBe(true);
  const psnr = Number(/PSNR ([\d.]+) dB/.exec(said)?.[1]);
  expect(psnr).toBeGreaterThan(15);

  // the command: noise in [0, 1] units, so 0.05 there is 0.1 here
  const ran = await proxel(
    "restore",
    join(dir, "face.png"),
    "--task",
    "deblur",
    "--simulate",
    "-o",
    join(dir, "cli.png"),
    "--seed",
    "1",
    "--json",
  );
  expect(ran.code, ran.stderr).toBe(0);
  const told = json(ran);
  expect([told.noise, told.noiseSigned]).toEqual([0.05, 0.1]);
  expect(Math.abs(told.psnr - psnr)).toBeLessThan(1);
  expect(told.psnr).toBeGreaterThan(told.psnrMeasurement);
});

test("every command that the README names exists", async () => {
  const names = new Set([...readme.matchAll(/^proxel (\w+)/gm)].map((m) => m[1] as string));
  expect(names.size).toBeGreaterThan(4);
  for (const name of names) {
    const { code, stdout } = await proxel(name, "--help");
    expect([name, code, stdout.length > 50]).toEqual([name, 0, true]);
  }
  const scripts = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).scripts;
  for (const [, name] of readme.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(name);
});
