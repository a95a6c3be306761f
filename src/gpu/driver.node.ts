/**
 * Which Vulkan driver Dawn will see on Linux. A driver of the system that Dawn accepts is used as it is. Otherwise Mesa's
 * lavapipe, a driver that runs on the processor, is taken from the user's cache, where `installDriver` has put it.
 *
 * Its libraries are loaded by path, dependencies first, and stay loaded: whoever asks for them later by SONAME (Dawn for
 * libvulkan.so.1, lavapipe for libLLVM) is given them, so that no variable has to be set before the process starts.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { isMainThread } from "node:worker_threads";
import { GpuError } from "../errors.ts";
import { keepLoaded, type Probe, probe } from "./probe.node.ts";

export interface InstalledDriver {
  /** Its folder. */
  path: string;
  /** Mesa's version, as the distribution numbers it. */
  version: string;
  suite: string;
  arch: string;
  /** Files in `lib/`, in loading order; the first is the Vulkan loader. */
  libraries: string[];
  bytes: number;
}

export interface Prepared {
  driver: "system" | "cached" | "none";
  /** One sentence: which driver, or why there is none and what to do. */
  note: string;
}

/** The doctor's command line: of a package that is installed, or of a clone of the sources. */
export const DOCTOR = import.meta.url.includes("/src/gpu/") ? "npm run doctor --" : "npx proxel doctor";
const INSTALL = `run \`${DOCTOR} --install\``;

/** `$XDG_CACHE_HOME/proxel`, or `~/.cache/proxel`. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return resolve(base, "proxel");
}

/** `KEY=value` lines of /etc/os-release. */
export function system(): Record<string, string> {
  for (const file of ["/etc/os-release", "/usr/lib/os-release"]) {
    if (!existsSync(file)) continue;
    const pairs = [...readFileSync(file, "utf8").matchAll(/^(\w+)=(["']?)(.*)\2$/gm)];
    return Object.fromEntries(pairs.map((m) => [m[1], m[3]]));
  }
  return {};
}

/** The suite that a good enough Mesa comes from here, or undefined on a system without apt's suites. */
export function driverSuite(): string | undefined {
  const { UBUNTU_CODENAME, DEBIAN_CODENAME, VERSION_CODENAME } = system();
  const codename = UBUNTU_CODENAME || DEBIAN_CODENAME || VERSION_CODENAME;
  return codename === "bookworm" ? "bookworm-backports" : codename;
}

/** The driver in the cache, if it was installed for this system. */
export function installedDriver(): InstalledDriver | undefined {
  const suite = driverSuite();
  if (process.platform !== "linux" || !suite) return undefined;
  const path = join(cacheFolder(), `lavapipe-${suite}`);
  const record = readJson<Omit<InstalledDriver, "path">>(join(path, "driver.json"));
  if (!record || record.arch !== process.arch) return undefined;
  return record.libraries.every((name) => existsSync(join(path, "lib", name))) ? { ...record, path } : undefined;
}

export const icdOf = (driver: InstalledDriver): string => join(driver.path, "lvp_icd.json");

export const driverEnv = (driver: InstalledDriver): Record<string, string> => ({
  VK_DRIVER_FILES: icdOf(driver),
  VK_ICD_FILENAMES: icdOf(driver),
});

let loaded = false;

/**
 * Makes Dawn see the cached driver and no other, in this process and its children; false if none is installed.
 * Before `create()` of the webgpu package, or before asking again with a fresh one.
 */
export function loadDriver(): boolean {
  if (loaded) return true;
  const driver = installedDriver();
  if (!driver) return false;
  for (const name of driver.libraries) keepLoaded(join(driver.path, "lib", name));
  Object.assign(process.env, driverEnv(driver));
  process.env.XDG_RUNTIME_DIR ??= tmpdir();
  loaded = true;
  return true;
}

/** Where the Vulkan loader looks for drivers, and one place of hosted machines where it does not. */
const HOSTED = "/usr/local/nvidia/share/vulkan/icd.d";

/** ICD files: the descriptions of drivers that the Vulkan loader would try. */
export function icdFiles(): string[] {
  const named = process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES;
  if (named) return named.split(":").filter(Boolean);
  const { env } = process;
  const roots = [
    env.XDG_CONFIG_HOME || join(homedir(), ".config"),
    ...(env.XDG_CONFIG_DIRS || "/etc/xdg").split(":"),
    "/usr/local/etc",
    "/etc",
    env.XDG_DATA_HOME || join(homedir(), ".local/share"),
    ...(env.XDG_DATA_DIRS || "/usr/local/share:/usr/share").split(":"),
  ];
  const found = [...new Set(roots)].flatMap((root) => jsonIn(join(root, "vulkan/icd.d")));
  found.push(...(env.VK_ADD_DRIVER_FILES ?? "").split(":").filter(Boolean));
  return found.length ? found : jsonIn(HOSTED);
}

interface Verdict {
  key: string;
  accepted: boolean;
  /** The system has a driver but no libvulkan.so.1: the cached one serves. */
  borrowLoader: boolean;
  note: string;
}

/**
 * Decides on the driver and prepares this process for it. Call before `import("webgpu")`; cheap after the first time, since
 * what Dawn says of the system's drivers is asked in a child process and remembered until a driver or a device changes.
 */
export async function prepareVulkan(): Promise<Prepared> {
  if (process.platform !== "linux") return { driver: "system", note: "the system's own graphics driver" };
  const forced = process.env.PROXEL_DRIVER;
  if (forced === "system") return { driver: "system", note: "the system's driver, as PROXEL_DRIVER says" };
  if (forced && forced !== "cached")
    throw new GpuError(`PROXEL_DRIVER: expected "system" or "cached", got "${forced}"`);

  const driver = installedDriver();
  const cached = (why: string): Prepared => {
    // a worker's process.env is a copy, which no library reads
    if (driver && !isMainThread && process.env.VK_DRIVER_FILES !== icdOf(driver))
      return { driver: "none", note: "a worker thread cannot choose the driver: open a GPU on the main thread first" };
    if (loadDriver()) return { driver: "cached", note: `lavapipe of Mesa ${driver?.version} from the cache: ${why}` };
    return { driver: "none", note: `${why}; ${INSTALL} to fetch one that runs on the processor` };
  };
  if (forced) {
    if (!driver) throw new GpuError(`PROXEL_DRIVER=cached: no driver is in ${cacheFolder()}; ${INSTALL}`);
    return cached("PROXEL_DRIVER says so");
  }
  const files = icdFiles();
  if (driver && files[0] === icdOf(driver)) return cached("the parent process chose it");
  if (!files.length) return cached("this system has no Vulkan driver");
  const verdict = await systemVerdict();
  if (!verdict.accepted) return cached(verdict.note);
  useSystem(files, verdict.borrowLoader ? driver : undefined);
  return { driver: "system", note: verdict.note };
}

/** What Dawn says of the system's drivers; `fresh` asks again. */
export async function systemVerdict(fresh = false): Promise<Verdict> {
  const file = join(cacheFolder(), "system.json");
  const key = systemKey();
  const old = readJson<Verdict>(file);
  if (!fresh && old?.key === key) return old;
  const files = icdFiles();
  const env = hostedEnv(files);
  let borrowLoader = false;
  let answer: Probe = await probe({ env });
  const driver = installedDriver();
  if (!answer.adapters.length && driver && answer.reasons.some((line) => line.includes("libvulkan.so.1"))) {
    borrowLoader = true;
    answer = await probe({ env, preload: [join(driver.path, "lib", driver.libraries[0] as string)] });
  }
  const name = answer.adapters[0]?.name;
  const note = name
    ? `${name}, the system's driver${borrowLoader ? " with the cached Vulkan loader" : ""}`
    : `Dawn refuses the system's Vulkan driver (${answer.crash ?? (answer.reasons.join("; ") || `no device behind ${files}`)})`;
  const verdict = { key, accepted: name !== undefined, borrowLoader, note };
  writeJson(file, verdict);
  return verdict;
}

/** What may change the verdict: the drivers' files, the devices, our own loader, and what selects among them. */
function systemKey(): string {
  const stamp = (path: string) => (existsSync(path) ? `${path}@${statSync(path).mtimeMs}` : path);
  const { VK_DRIVER_FILES, VK_ICD_FILENAMES, LD_LIBRARY_PATH } = process.env;
  const devices = [...list("/dev/dri"), ...list("/dev").filter((name) => /^(nvidia|dxg|kfd)/.test(name))];
  const selects = [process.arch, VK_DRIVER_FILES, VK_ICD_FILENAMES, LD_LIBRARY_PATH, installedDriver()?.version];
  return JSON.stringify([icdFiles().map(stamp), stamp("/etc/ld.so.cache"), devices, selects]);
}

function useSystem(files: string[], loaderOf: InstalledDriver | undefined): void {
  if (loaderOf) keepLoaded(join(loaderOf.path, "lib", loaderOf.libraries[0] as string));
  Object.assign(process.env, hostedEnv(files));
  process.env.XDG_RUNTIME_DIR ??= tmpdir();
}

const hostedEnv = (files: string[]): Record<string, string> =>
  files[0]?.startsWith(HOSTED) ? { VK_DRIVER_FILES: files.join(":"), VK_ICD_FILENAMES: files.join(":") } : {};

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);

const jsonIn = (folder: string): string[] =>
  list(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(folder, name));

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as T;
  } catch {
    return undefined;
  }
}

/** Remembering is a convenience: a cache that cannot be written is passed over. */
function writeJson(file: string, value: unknown): void {
  const draft = `${file}.${process.pid}`;
  try {
    mkdirSync(cacheFolder(), { recursive: true });
    writeFileSync(draft, JSON.stringify(value));
    renameSync(draft, file);
  } catch {
    rmSync(draft, { force: true });
  }
}
