import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { rng } from "../../kernels/random.ts";
import { posterior, posteriorMetadata } from "../../src/architectures_posterior.ts";
import { deadLeavesPicture } from "../../src/io/dead_leaves.ts";
import { writePicture } from "../../src/io/picture.ts";
import { initParams } from "../../src/nets/net.ts";
import { dispose } from "../../src/tensor/scope.ts";
import { paramBytes } from "../../src/weights/params.ts";
import { folder, json, proxel } from "../lib/command.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

test("a network that sees the measurement restores by its own solver, and is compared with others", async () => {
  const at = folder();
  const network = { img_resolution: 8, model_channels: 8, channel_mult: [1], num_blocks: 1, attn_resolutions: [] };
  const metadata = posteriorMetadata("diff_unfolding", {
    ...{ network: { ...network, img_channels: 12 }, spaceToDepth: 2, iterations: 2, tied: true },
  });
  const params = initParams(posterior(metadata).model, rng(1));
  const model = join(at, "unfolded.safetensors");
  writeFileSync(model, await paramBytes(params.tree, { metadata }));
  dispose([params.chunks, params.tree]);
  const data = deadLeavesPicture(3, 1, 16, 16).map((v) => 2 * v - 1);
  mkdirSync(join(at, "pictures"));
  await writePicture(join(at, "pictures/a.png"), { width: 16, height: 16, channels: 3, bits: 8, data });

  const common = ["restore", join(at, "pictures/a.png"), "--task", "deblur", "--simulate", "--model", model];
  const restored = await proxel(...common, "--steps", "3", "-o", join(at, "b.png"), "--json");
  expect(restored.stderr).toContain("3 calls");
  expect(json(restored)).toMatchObject({ solver: "diff-unfolding", steps: 3, nfe: 3 });
  const wrong = await proxel(...common, "--solver", "dps", "-o", join(at, "c.png"));
  expect([wrong.code, wrong.stderr.trim()]).toEqual([
    2,
    `proxel restore: ${model} brings its own solver; leave --solver out`,
  ]);

  const twice = await proxel(...common, "--solver", "diff-unfolding", "--steps", "1", "-o", join(at, "d.png"));
  expect(twice.code, twice.stderr).toBe(0);
  const none = await proxel(...common.slice(0, -2), "--solver", "ram", "-o", join(at, "e.png"));
  expect([none.code, none.stderr.trim()]).toEqual([
    2,
    "proxel restore: --solver ram is a network that sees the measurement: give its file, --model FILE",
  ]);

  const pictures = join(at, "pictures");
  const table = ["eval", "--images", pictures, "--tasks", "gaussian,hdr", "--model", model, "--steps", "2"];
  const compared = await proxel(...table, "--solvers", "denoise", "-o", join(at, "out"), "--json");
  const { cells } = json(compared) as { cells: { task: string; solver: string; nfe: number }[] };
  // the network takes linear tasks only, as denoise does
  expect(cells.map(({ task, solver }) => `${task}: ${solver}`).sort()).toEqual([
    "gaussian: denoise",
    "gaussian: diff-unfolding unfolded.safetensors",
  ]);
});
