// Builds dist/: index.js (Node), index.browser.js (pages), proxel.js (the command), web/ (the demo page), types/.
//   build.mjs          all of it
//   build.mjs --cli    index.js and proxel.js only: what `npm run demo` needs, in half a second
//   build.mjs --web    web/ only: what the test of the page needs
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { builtinModules, createRequire } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { wgslEsbuild } from "./link.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const at = (...parts) => join(root, ...parts);
const dist = at("dist");

const common = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target: "es2022", // lowers `using`, which Node 20 and older browsers lack
  plugins: [wgslEsbuild()],
  sourcemap: true,
  logLevel: "warning",
  metafile: true,
};

/** Library and command share their modules; every file lies flat in dist/, so a path relative to one is right for all. */
async function forNode() {
  const entries = { index: "src/index.ts", proxel: "src/cli/main.ts", tile_worker: "src/io/tile_worker.node.ts" };
  const entryPoints = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(at(file))));
  await build({
    ...common,
    entryPoints,
    outdir: dist,
    platform: "node",
    target: ["node20", "es2022"],
    packages: "external",
    splitting: true,
    chunkNames: "chunk-[hash]",
  });
  if (entryPoints.proxel) chmodSync(join(dist, "proxel.js"), 0o755);
}

const browser = { ...common, platform: "browser", conditions: ["browser"], mainFields: ["browser", "module", "main"] };

/** Fails on anything of Node that reached a bundle for pages. */
function assertPortable({ outputs }) {
  const builtin = new RegExp(`^(node:.*|${builtinModules.join("|")})$`);
  for (const [file, { imports, inputs }] of Object.entries(outputs)) {
    const of = imports.filter(({ path, external }) => external && builtin.test(path)).map(({ path }) => path);
    const from = Object.keys(inputs).filter((path) => path.endsWith(".node.ts"));
    if (of.length || from.length) throw new Error(`${file}: a page cannot load ${[...of, ...from].join(", ")}`);
    if (file.endsWith(".js") && /(?:from|import|require)\s*\(?["']node:/.test(readFileSync(at(file), "utf8")))
      throw new Error(`${file}: imports from node:`);
  }
}

async function forPages() {
  if (!existsSync(at("src/index.ts"))) return;
  const { metafile } = await build({
    ...browser,
    entryPoints: { "index.browser": "src/index.ts", "tile_worker.browser": "src/io/tile_worker.browser.ts" },
    outdir: dist,
  });
  assertPortable(metafile);
}

async function page() {
  if (!existsSync(at("src/web/main.ts"))) return;
  const web = join(dist, "web");
  rmSync(web, { recursive: true, force: true });
  const { metafile } = await build({
    ...browser,
    entryPoints: { main: "src/web/main.ts", "tile_worker.browser": "src/io/tile_worker.browser.ts" },
    outdir: web,
    minify: true,
  });
  assertPortable(metafile);
  for (const name of readdirSync(at("src/web")).filter((n) => !/\.(ts|md)$/.test(n)))
    cpSync(at("src/web", name), join(web, name), { recursive: true });
  for (const name of list(at("models")).filter((n) => n.endsWith(".safetensors"))) {
    mkdirSync(join(web, "models"), { recursive: true });
    cpSync(at("models", name), join(web, "models", name));
  }
}

/** Declarations of everything reachable from src/index.ts. */
function types() {
  if (!existsSync(at("src/index.ts"))) return;
  const folder = at("node_modules/.cache/proxel");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "tsconfig.types.json");
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    outDir: join(dist, "types"),
    rootDir: root,
  };
  const files = [at("src/index.ts"), at("src/wgsl.d.ts")];
  writeFileSync(config, JSON.stringify({ extends: at("tsconfig.json"), compilerOptions, files, include: [] }));
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", config], { stdio: "inherit", cwd: root });
  if (status !== 0) throw new Error("tsc: the types do not compile");
  const face = join(dist, "types/src/index.d.ts");
  writeFileSync(
    face,
    `/// <reference lib="dom" />\n/// <reference types="@webgpu/types" />\n${readFileSync(face, "utf8")}`,
  );
  for (const file of walk(join(dist, "types"))) {
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace(/((?:from|import\()\s*["']\.{1,2}\/[^"']*)\.ts(["'])/g, "$1.js$2"));
  }
}

const list = (folder) => (existsSync(folder) ? readdirSync(folder) : []);
const walk = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? walk(join(folder, e.name)) : [join(folder, e.name)],
  );

const started = performance.now();
try {
  const only = ["cli", "web"].find((part) => process.argv.includes(`--${part}`));
  if (!only) rmSync(dist, { recursive: true, force: true });
  if (only === "cli") for (const name of list(dist)) if (/^chunk-/.test(name)) rmSync(join(dist, name));
  if (only !== "web") await forNode();
  if (!only) await forPages();
  if (only !== "cli") await page();
  if (!only) types();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const parts = { cli: ["index.js", "proxel.js"], web: ["web/main.js"] };
  const made = only ? parts[only] : ["index.js", "index.browser.js", "proxel.js", "web/main.js"];
  const sizes = made
    .filter((n) => existsSync(join(dist, n)))
    .map((n) => `${n} ${Math.ceil(statSync(join(dist, n)).size / 1024)} KB`);
  console.error(`built ${relative(process.cwd(), dist) || dist} in ${seconds} s: ${sizes.join(", ")}`);
} catch (error) {
  console.error(error.errors ? `build: ${error.errors.length} errors, above` : `build: ${error.message}`);
  process.exit(1);
}
