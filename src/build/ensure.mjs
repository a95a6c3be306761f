// Runs before the tests and the demo: sees to it that Dawn has a driver, and says so in one line when it fetches one.
//   ensure.mjs          any driver
//   ensure.mjs --gpu    a real GPU, or exit 1
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "node_modules/.cache/proxel");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, `ensure-${process.pid}.mjs`);
const contents = `export * from "./src/gpu/driver.node.ts"; export * from "./src/gpu/driver_install.node.ts"; export * from "./src/gpu/probe.node.ts";`;
await build({
  stdin: { contents, resolveDir: root },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  outfile,
  logLevel: "error",
});
const { prepareVulkan, installDriver, probe } = await import(pathToFileURL(outfile)).finally(() =>
  import("node:fs").then((fs) => fs.rmSync(outfile, { force: true })),
);

try {
  let { driver, note } = await prepareVulkan();
  if (driver === "none") {
    await installDriver({ log: (line) => console.error(`proxel: ${line}`) });
    ({ driver, note } = await prepareVulkan());
  }
  if (process.argv.includes("--gpu")) {
    const { adapters, reasons } = driver === "system" ? await probe() : { adapters: [], reasons: [note] };
    const gpu = adapters.find((adapter) => !adapter.software);
    if (!gpu)
      throw new Error(
        `no GPU that Dawn accepts (${reasons.join("; ") || adapters[0]?.name || "none found"}); \`npm run doctor\` says more`,
      );
    note = gpu.name;
  }
  console.error(`proxel: driver: ${note}`);
} catch (error) {
  console.error(`proxel: ${error.message}`);
  process.exit(1);
}
