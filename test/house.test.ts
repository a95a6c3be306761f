/** The house (docs/house.md) as a test: floors, doors, stems, shader headers, sizes. A rule that is not a test is a wish. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What is not true yet, as `rule: file`. Keep it empty; what stands here is printed. */
const NOT_YET: readonly string[] = [];

const FLOORS: readonly (readonly [floor: number, paths: RegExp])[] = [
  [0, /^src\/(errors\.ts|wgsl\.d\.ts)$/],
  [1, /^shaders\//],
  [2, /^src\/gpu\//],
  [3, /^src\/tensor\//],
  [4, /^kernels\//],
  [5, /^src\/(autograd|linalg|weights|io)\//],
  [6, /^src\/(diffusion|nets|physics)\//],
  [7, /^src\/(solvers|metrics)\//],
  [8, /^src\/train\//],
  [
    9,
    /^src\/(architectures(_[a-z0-9]+)?|catalogue|denoisers|eval_[a-z]+|identify|methods(_[a-z]+)?|pieces|presets|recipes(_[a-z0-9_]+)?|recognise(_[a-z_]+)?|tasks)\.ts$/,
  ],
  [10, /^src\/index\.ts$/],
  [11, /^src\/(cli|web)\//],
  [12, /^(src\/build|bench|test)\//],
];
const TOP =
  /^(package(-lock)?\.json|tsconfig\.json|README\.md|LICENSE|CHANGELOG\.md|\.gitignore)$|^(src|shaders|kernels|bench|test|models|docs|\.ci)\//;
const MOST_LINES = 300;

const files = walk("").sort();
const code = files.filter((file) => /\.(ts|mjs)$/.test(file) && !/\/fixtures\//.test(file));
const source = code.filter((file) => /^(src|kernels)\//.test(file));
const shaders = files.filter((file) => file.endsWith(".wgsl"));
const hosts = source.filter((file) => /^kernels\/[a-z0-9_]+\.ts$/.test(file) && file !== "kernels/index.ts");
const text = new Map([...code, ...shaders].map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
const read = (file: string): string => text.get(file) ?? "";

function walk(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    if (/^(node_modules|dist|\.git|\.local|\.cache|\.gpu|out|\.DS_Store)$/.test(entry.name)) return [];
    if (entry.name === "peers" && folder === "bench") return [];
    const path = posix.join(folder, entry.name);
    return entry.isDirectory() ? walk(path) : [path];
  });
}

const withoutComments = (s: string): string => s.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");

/** What a file imports, paths from the root; packages and `node:` as they are. */
function imports(file: string): string[] {
  const found = withoutComments(read(file)).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["']([^"'\n]+)["']/g);
  return [...found].map(([, name]) => {
    if (name === "#gpu") return "src/gpu/entry.node.ts";
    if (name === "#platform") return "src/io/platform.node.ts";
    if (name === "#files") return "src/weights/files.node.ts";
    return name!.startsWith(".") ? posix.join(dirname(file), name!) : name!;
  });
}

const floor = (file: string): number | undefined => FLOORS.find(([, paths]) => paths.test(file))?.[0];
const room = (file: string): string => (/^src\/[^/]+\//.exec(file)?.[0] ?? `${file.split("/")[0]}/`).replace(/\/$/, "");

/** Fails with every offender at once; those of NOT_YET pass. */
function none(rule: string, offenders: string[]): void {
  const left = offenders.filter((line) => !NOT_YET.some((known) => `${rule}: ${line}`.startsWith(known)));
  expect(left, `${rule}\n${left.join("\n")}\n`).toEqual([]);
}

/** attention_plan.ts is a part of attention.ts: its reference and its test are the whole's. */
const isPart = (file: string): boolean =>
  hosts.some((whole) => file !== whole && file.startsWith(whole.replace(/\.ts$/, "_")));

describe("the house", () => {
  it("has only its own rooms at the top", () => {
    none(
      "not at the top level",
      files.filter((file) => !TOP.test(file)),
    );
    none(
      "on no floor",
      code.filter((file) => floor(file) === undefined),
    );
  });

  it("imports downwards", () => {
    const steps = source.flatMap((file) =>
      imports(file)
        .filter((to) => /^(src|kernels|shaders|bench|test)\//.test(to) && room(to) !== room(file))
        .filter((to) => floor(file)! < 11 && floor(to)! >= floor(file)!)
        .map((to) => `${file} (floor ${floor(file)}) imports ${to} (floor ${floor(to)})`),
    );
    none("upward or sideways", steps);
  });

  it("keeps solvers from physics and nets, and references from the engine", () => {
    const solvers = source.filter((file) => room(file) === "src/solvers");
    const see = (from: string[], what: RegExp) =>
      from.flatMap((file) =>
        imports(file)
          .filter((to) => what.test(to))
          .map((to) => `${file} imports ${to}`),
      );
    none("a solver knows only types", see(solvers, /^src\/(physics|nets)\//));
    none(
      "a reference is for tests",
      see(
        source.filter((file) => !/\.reference\.ts$/.test(file)),
        /\.reference\.ts$/,
      ),
    );
  });

  it("opens to Node and to the page only at its doors", () => {
    const node = /\.node\.ts$|^src\/(cli|build)\//;
    const page = /\.browser\.ts$|^src\/web\//;
    const packages: Record<string, RegExp> = {
      webgpu: /^src\/gpu\/.*\.node\.ts$/,
      sharp: /^src\/io\/.*\.node\.ts$|^src\/cli\//,
    };
    none(
      "node: outside its doors",
      source.filter((file) => !node.test(file) && imports(file).some((to) => to.startsWith("node:"))),
    );
    none(
      "document outside its doors",
      source.filter(
        (file) =>
          !page.test(file) &&
          /\bdocument\.|\bwindow\.(document|location|navigator|addEventListener)\b/.test(withoutComments(read(file))),
      ),
    );
    for (const [name, doors] of Object.entries(packages))
      none(
        `${name} outside its door`,
        source.filter((file) => !doors.test(file) && imports(file).includes(name)),
      );
  });

  it("has one barrel and one list", () => {
    none(
      "another index.ts",
      code.filter((file) => /(^|\/)index\.ts$/.test(file) && !/^(src|kernels)\/index\.ts$/.test(file)),
    );
    const barrel = withoutComments(read("src/index.ts")).replace(
      /export\s+(type\s+)?(\{[^}]*\}|\*(\s+as\s+\w+)?)\s+from\s+"[^"]+";/g,
      "",
    );
    expect(barrel.trim(), "src/index.ts holds names only").toBe("");
    if (existsSync(join(ROOT, "kernels/index.ts"))) {
      const listed = imports("kernels/index.ts");
      none(
        "not in kernels/index.ts",
        hosts.filter((file) => isOp(file) && !/_vjp/.test(file) && !isPart(file) && !listed.includes(file)),
      );
    }
  });

  it("gives every shader a host, every host a reference and a test", () => {
    const used = new Set(source.filter((file) => file.startsWith("kernels/")).flatMap(imports));
    const alone = shaders.filter((file) => /^shaders\/(?!lib\/)/.test(file) && !used.has(file));
    none("a shader that no kernel imports", alone);
    const includes = shaders.flatMap((file) =>
      [...read(file).matchAll(/^#include "(.+)"/gm)].map((m) => `shaders/${m[1]}`),
    );
    none(
      "a library piece that no shader includes",
      shaders.filter((f) => f.startsWith("shaders/lib/") && !includes.includes(f)),
    );
    for (const [what, place] of [
      ["reference", "kernels/STEM.reference.ts"],
      ["test", "test/kernels/STEM.test.ts"],
    ] as const) {
      const twin = (file: string) => place.replace("STEM", file.slice("kernels/".length, -".ts".length));
      none(
        `a kernel without ${what}`,
        hosts
          .filter((file) => isOp(file) && !isPart(file) && !code.includes(twin(file)))
          .map((f) => `${f} wants ${twin(f)}`),
      );
    }
  });

  it("has no shader that depends on the size of a subgroup, but a schedule named _wave that has a stand-in", () => {
    none(
      "subgroup operations",
      shaders.filter((file) => /\bsubgroup\w*\b/.test(withoutComments(read(file))) && !/_wave\.wgsl$/.test(file)),
    );
  });

  it("heads every shader with title, equation and dispatch", () => {
    const faults = shaders.flatMap((file) => {
      const lines = read(file).split("\n");
      const end = lines.findIndex((line) => !line.startsWith("//"));
      const head = lines.slice(0, end < 0 ? lines.length : end);
      const entries = read(file).match(/@compute\b[\s\S]*?\bfn\s+(\w+)/g) ?? [];
      const piece = file.startsWith("shaders/lib/");
      const wrong = [
        (piece ? /^\/\/ \S.*\.$/ : /^\/\/ [A-Z0-9].*\.$/).test(head[0] ?? "")
          ? ""
          : 'its first line is not "// Title."',
        piece || head.some((line) => /[^=<>!]=[^=]/.test(line)) ? "" : "no equation in its header",
        piece || head.some((line) => line.startsWith("// Dispatch:")) ? "" : 'no "// Dispatch:" line in its header',
        piece && entries.length ? "a library piece has no entry point" : "",
        piece || (entries.length === 1 && /\bfn\s+main$/.test(entries[0]!)) ? "" : "not exactly one entry point `main`",
        /^#(?!include )/m.test(read(file)) ? "a directive that is not #include" : "",
      ];
      return wrong.filter(Boolean).map((fault) => `${file}: ${fault}`);
    });
    none("header", faults);
  });

  it(`has no file over ${MOST_LINES} lines, no note to self, no path of one machine`, () => {
    const long = [...source, ...shaders]
      .map((file) => [file, lineCount(file)] as const)
      .filter(([, n]) => n > MOST_LINES);
    none(
      "too long",
      long.map(([file, n]) => `${file}: ${n} lines`),
    );
    const others = [...text.keys()].filter((file) => file !== "test/house.test.ts");
    none(
      "a note to self",
      others.filter((file) => /\b(TODO|FIXME|XXX|HACK)\b/.test(read(file))),
    );
    none(
      "a path of one machine",
      others.filter((file) => /["'`\s(]\/(work|root|home)\/\w/.test(read(file))),
    );
  });

  afterAll(() => {
    const rooms = new Map<string, number>();
    for (const file of text.keys()) rooms.set(room(file), (rooms.get(room(file)) ?? 0) + lineCount(file));
    const rows = [...rooms].sort().map(([name, lines]) => `${name} ${lines}`);
    const total = [...rooms.values()].reduce((a, b) => a + b, 0);
    console.log(`lines: ${rows.join(", ")}; all ${total}`);
    if (NOT_YET.length) console.log(`not yet: ${NOT_YET.join("; ")}`);
  });
});

/** A kernel's host half: it binds a shader. The rest of kernels/ is what hosts share. */
const isOp = (file: string): boolean => imports(file).some((to) => to.endsWith(".wgsl"));

const lineCount = (file: string): number => read(file).split("\n").length - 1;
