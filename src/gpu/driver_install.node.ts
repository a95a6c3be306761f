import {
  closeSync,
  copyFileSync,
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
import { assumedPackages, BY_HAND, command, isolated, sources } from "./apt.node.ts";
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
  const cancel = new AbortController();
  const remove = () => {
    cancel.abort();
    discard(work);
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
    for (const name of readdirSync(cache)) if (name.startsWith("work-")) discard(join(cache, name));
    return await install(suite, cache, work, log, cancel.signal);
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
  signal: AbortSignal,
): Promise<InstalledDriver> {
  const run = (name: string, args: string[], what: string) => command(name, args, what, signal);
  for (const folder of ["apt/lists/partial", "apt/cache/archives/partial", "apt/sources", "root", "driver/lib"])
    mkdirSync(join(work, folder), { recursive: true });
  const apt = join(work, "apt");
  writeFileSync(join(apt, "sources/proxel.sources"), sources(suite));
  writeFileSync(join(apt, "status"), assumedPackages());
  const options = isolated(apt);

  await run("apt-get", [...options, "-qq", "update"], `the package lists of ${suite}`);
  const policy = await run(
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
  await run(
    "apt-get",
    [...options, "-qq", "-y", "--download-only", "-t", suite, "install", ...packages],
    "the packages of Mesa",
  );
  const archives = join(apt, "cache/archives");
  for (const name of readdirSync(archives).filter((n) => n.endsWith(".deb")))
    await run("dpkg-deb", ["-x", join(archives, name), join(work, "root")], name);

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

/** Best effort: a tool of a killed installation may still be writing there. */
function discard(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3, retryDelay: 100 });
  } catch {}
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

const onPath = (tool: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => folder && existsSync(join(folder, tool)));

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
