/**
 * Puts Mesa's lavapipe, with everything it needs, into the user's cache: no root, and nothing of the system is touched.
 * apt fetches and verifies (its mirrors, its keyrings) in a folder of our own; the libraries that the driver really needs,
 * found by following their ELF headers, are kept; Dawn has to accept the result; one rename makes it visible.
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { delimiter, join } from "node:path";
import { GpuError } from "../errors.ts";
import {
  cacheFolder,
  driverEnv,
  driverSuite,
  type InstalledDriver,
  icdOf,
  installedDriver,
  system,
} from "./driver.node.ts";
import { elf } from "./elf.node.ts";
import { probe } from "./probe.node.ts";

/** Dawn refuses the lavapipe of older ones: they index arrays of uniforms by constants only. */
const OLDEST_MESA = 23;
/** Part of every process of Node: never ours to replace. */
const OF_THE_SYSTEM = /^(ld-linux.*|libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+)\.so/;
const ASSUMED = new Set(["libc6", "libgcc-s1", "libstdc++6", "libcrypt1"]);
const BY_HAND =
  "install a Vulkan driver with your package manager (Mesa 25 or newer; the package is often called mesa-vulkan-drivers or vulkan-swrast)";

/** Fetches the driver unless it is there; `log` gets the line that says what is fetched and why. */
export async function installDriver({
  log = () => {},
}: {
  log?: (line: string) => void;
} = {}): Promise<InstalledDriver> {
  const there = installedDriver();
  if (there) return there;
  const suite = supportedSuite();
  const cache = cacheFolder();
  try {
    mkdirSync(cache, { recursive: true });
  } catch (error) {
    throw new GpuError(
      `driver: cannot write to ${cache} (${(error as Error).message}); set XDG_CACHE_HOME to a folder of yours`,
    );
  }
  const unlock = await lock(join(cache, "install.lock"), log);
  const work = join(cache, `work-${process.pid}`);
  const remove = () => {
    rmSync(work, { recursive: true, force: true });
    unlock();
  };
  const stop = (signal: NodeJS.Signals) => {
    remove();
    process.removeListener("SIGINT", stop).removeListener("SIGTERM", stop);
    process.kill(process.pid, signal);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    const other = installedDriver();
    if (other) return other;
    for (const name of readdirSync(cache))
      if (name.startsWith("work-")) rmSync(join(cache, name), { recursive: true, force: true });
    return await install(suite, cache, work, log);
  } finally {
    process.removeListener("SIGINT", stop).removeListener("SIGTERM", stop);
    remove();
  }
}

function supportedSuite(): string {
  const { PRETTY_NAME = process.platform } = system();
  if (process.platform !== "linux")
    throw new GpuError(`driver: ${process.platform} has its own; there is nothing to install`);
  const missing = ["apt-get", "dpkg-deb"].filter((tool) => !onPath(tool));
  if (missing.length)
    throw new GpuError(`driver: fetching one needs ${missing.join(" and ")}, which ${PRETTY_NAME} lacks; ${BY_HAND}`);
  const suite = driverSuite();
  if (!suite) throw new GpuError(`driver: ${PRETTY_NAME} names no release to fetch one for; ${BY_HAND}`);
  return suite;
}

async function install(
  suite: string,
  cache: string,
  work: string,
  log: (line: string) => void,
): Promise<InstalledDriver> {
  for (const folder of ["apt/lists/partial", "apt/cache/archives/partial", "apt/sources", "root", "driver/lib"])
    mkdirSync(join(work, folder), { recursive: true });
  const apt = join(work, "apt");
  writeFileSync(join(apt, "sources/proxel.sources"), sources(suite));
  writeFileSync(join(apt, "status"), assumedPackages());
  const options = Object.entries({
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": join(apt, "sources"),
    "Dir::State": apt,
    "Dir::State::lists": join(apt, "lists"),
    "Dir::State::status": join(apt, "status"),
    "Dir::Cache": join(apt, "cache"),
    "APT::Install-Recommends": "false",
    "APT::Update::Error-Mode": "any",
    "APT::Sandbox::User": "",
    "Debug::NoLocking": "1",
    "Acquire::Languages": "none",
    "Acquire::Retries": "2",
    "Acquire::http::Timeout": "20",
    "Acquire::https::Timeout": "20",
  }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);

  await command("apt-get", [...options, "-qq", "update"], `the package lists of ${suite}`);
  const policy = await command(
    "apt-cache",
    [...options, "-t", suite, "policy", "mesa-vulkan-drivers"],
    "the version of Mesa",
  );
  const version = /Candidate: (?:\d+:)?(\S+)/.exec(policy)?.[1] ?? "none";
  if (!(Number.parseInt(version, 10) >= OLDEST_MESA))
    throw new GpuError(`driver: ${suite} offers Mesa ${version}, and Dawn needs ${OLDEST_MESA} or newer; ${BY_HAND}`);
  log(
    `fetching Mesa ${version}'s software Vulkan driver from ${suite} into ${cache}, once: WebGPU needs a driver and this system has none that Dawn accepts`,
  );
  const packages = ["mesa-vulkan-drivers", "libvulkan1"];
  await command(
    "apt-get",
    [...options, "-qq", "-y", "--download-only", "-t", suite, "install", ...packages],
    "the packages of Mesa",
  );
  const archives = join(apt, "cache/archives");
  for (const name of readdirSync(archives).filter((n) => n.endsWith(".deb")))
    await command("dpkg-deb", ["-x", join(archives, name), join(work, "root")], name);

  const draft = join(work, "driver");
  const libraries = collect(join(work, "root"), join(draft, "lib"));
  const bytes = libraries.reduce((sum, name) => sum + statSync(join(draft, "lib", name)).size, 0);
  const ICD = { library_path: "lib/libvulkan_lvp.so", api_version: "1.4.0" };
  writeFileSync(join(draft, "lvp_icd.json"), JSON.stringify({ file_format_version: "1.0.0", ICD }));
  const record = { version, suite, arch: process.arch, libraries, bytes };
  writeFileSync(join(draft, "driver.json"), JSON.stringify(record, null, 1));
  await accept({ ...record, path: draft });

  const path = join(cache, `lavapipe-${suite}`);
  rmSync(path, { recursive: true, force: true });
  renameSync(draft, path);
  return { ...record, path };
}

/** Copies the loader, lavapipe and all they need, named by SONAME, and returns the names with dependencies first. */
function collect(root: string, lib: string): string[] {
  const files = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!/\.so(\.|$)/.test(entry.name) || entry.isDirectory()) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    if (existsSync(file)) files.set(entry.name, realpathSync(file));
  }
  const order: string[] = [];
  const seen = new Set<string>();
  const visit = (name: string, by: string) => {
    if (seen.has(name) || OF_THE_SYSTEM.test(name)) return;
    seen.add(name);
    const file = files.get(name);
    if (!file) throw new GpuError(`driver: the packages hold no ${name}, which ${by} needs; please report this`);
    for (const next of elf(file).needed) visit(next, name);
    copyFileSync(file, join(lib, name));
    order.push(name);
  };
  visit("libvulkan.so.1", "Dawn");
  visit("libvulkan_lvp.so", "Dawn");
  return order;
}

/** Dawn, in a process of its own, has to find lavapipe in the new folder. */
async function accept(driver: InstalledDriver): Promise<void> {
  const preload = driver.libraries.map((name) => join(driver.path, "lib", name));
  const { adapters, reasons, crash } = await probe({ preload, env: driverEnv(driver) });
  if (adapters.length) return;
  const why = crash ?? (reasons.join("; ") || `nothing found behind ${icdOf(driver)}`);
  throw new GpuError(`driver: Dawn does not accept Mesa ${driver.version} (${why}); ${BY_HAND}`);
}

interface Source {
  uris: string;
  suites: string[];
  components: string;
  signedBy: string;
}

/** This system's own mirrors, narrowed to the release and its updates, as deb822 stanzas. */
function sources(suite: string): string {
  const codename = suite.replace(/-backports$/, "");
  const alias = /^(stable|oldstable|testing|unstable|sid)([-/].*)?$/;
  const ours = (name: string) =>
    name === codename || /^[-/](updates|security|backports)$/.test(name.slice(codename.length));
  const picked: Source[] = [];
  for (const source of configured()) {
    const suites = source.suites.filter(
      (name) => (name.startsWith(codename) && ours(name)) || (alias.test(name) && /debian|ubuntu/.test(source.uris)),
    );
    if (/\bmain\b/.test(source.components) && suites.length) picked.push({ ...source, suites });
  }
  const base = picked.find(({ suites }) => suites.includes(codename)) ?? picked[0];
  if (!base)
    throw new GpuError(`driver: apt has no source for ${codename} in /etc/apt; add the distribution's, or ${BY_HAND}`);
  if (suite !== codename && !picked.some(({ suites }) => suites.includes(suite)))
    picked.push({ ...base, suites: [suite] });
  return picked
    .map(({ uris, suites, components, signedBy }) =>
      [
        `Types: deb\nURIs: ${uris}\nSuites: ${suites.join(" ")}\nComponents: ${components}`,
        `Architectures: ${debianArch()}`,
        ...(signedBy ? [`Signed-By: ${signedBy}`] : []),
      ].join("\n"),
    )
    .join("\n\n");
}

/** apt's sources, from both of its formats. */
function configured(): Source[] {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
    : [];
  const found: Source[] = [];
  for (const file of ["/etc/apt/sources.list", ...files].filter((f) => existsSync(f))) {
    const text = readFileSync(file, "utf8").replace(/^\s*#.*\n?/gm, "");
    if (file.endsWith(".sources")) {
      for (const stanza of text.split(/\n\s*\n/)) {
        const field = (name: string) =>
          new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, "im").exec(stanza)?.[1]?.trim() ?? "";
        if (!/\bdeb\b/.test(field("Types")) || /^no$/i.test(field("Enabled"))) continue;
        const signedBy = field("Signed-By").replace(/\n\s*/g, "\n ");
        found.push({
          uris: field("URIs"),
          suites: field("Suites").split(/\s+/),
          components: field("Components"),
          signedBy,
        });
      }
    } else if (file.endsWith(".list")) {
      for (const m of text.matchAll(/^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)) {
        const signedBy = /signed-by=(\S+)/.exec(m[1] ?? "")?.[1]?.replaceAll(",", " ") ?? "";
        found.push({ uris: m[2] as string, suites: [m[3] as string], components: m[4] as string, signedBy });
      }
    }
  }
  return found;
}

/** The C and C++ libraries count as installed, whatever else is: the driver must not depend on what a user may remove. */
function assumedPackages(): string {
  const stanzas = readFileSync("/var/lib/dpkg/status", "utf8").split("\n\n");
  return stanzas
    .filter((text) => {
      const name = /^Package: (\S+)$/m.exec(text)?.[1] ?? "";
      const native = /^Architecture: (\S+)$/m.exec(text)?.[1] === debianArch();
      return native && (ASSUMED.has(name) || /^gcc-\d+-base$/.test(name));
    })
    .map((text) => `${text}\n\n`)
    .join("");
}

const debianArch = (): string => ({ x64: "amd64", arm64: "arm64" })[process.arch as string] ?? process.arch;

const onPath = (tool: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => folder && existsSync(join(folder, tool)));

/** Runs a tool of the system; its last words become the error. */
function command(name: string, args: string[], what: string): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(name, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    child.on("error", (error) => fail(new GpuError(`driver: ${name} does not run: ${error.message}`)));
    child.on("close", (code) => {
      if (code === 0) return done(out);
      const lines = err
        .trim()
        .split("\n")
        .filter((line) => /^[EW]:/.test(line));
      const said = (lines.length ? lines : [err.trim()]).slice(0, 2).join(" ");
      fail(
        new GpuError(
          `driver: ${name} could not get ${what}: ${said}; check the network and this system's apt sources, or ${BY_HAND}`,
        ),
      );
    });
  });
}

/** One installation at a time: waits for another that lives, takes over from one that died. */
async function lock(file: string, log: (line: string) => void): Promise<() => void> {
  const mine = `${hostname()} ${process.pid}`;
  for (let waited = 0; ; waited++) {
    try {
      const fd = openSync(file, "wx");
      writeFileSync(fd, mine);
      closeSync(fd);
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (abandoned(file)) {
      try {
        unlinkSync(file);
      } catch {}
      continue;
    }
    if (waited === 0) log(`waiting for another process that is installing the driver (${file})`);
    await new Promise((next) => setTimeout(next, 300));
  }
}

function abandoned(file: string): boolean {
  try {
    const [host, pid] = readFileSync(file, "utf8").split(" ");
    const age = Date.now() - statSync(file).mtimeMs;
    if (host !== hostname() || !Number(pid)) return age > 15 * 60_000 || (!pid && age > 5_000);
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
