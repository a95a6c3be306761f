/** `proxel doctor`: which adapter will be used, why others were refused, what they can do, and what to do about it. */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";
import {
  cacheFolder,
  DOCTOR,
  driverEnv,
  driverSuite,
  icdFiles,
  installedDriver,
  prepareVulkan,
  system,
  systemVerdict,
} from "../gpu/driver.node.ts";
import { installDriver } from "../gpu/driver_install.node.ts";
import { type Probe, type ProbedAdapter, probe } from "../gpu/probe.node.ts";
import { parse } from "./options.ts";
import { version } from "./version.ts";

const HELP = `proxel doctor [--install] [--json]

  --install   fetch Mesa's software driver into your cache (Debian, Ubuntu and kin; no root)
  --json      print one JSON object
Exit code: 0 if there is an adapter to work with, 1 if not.`;

interface Finding extends Probe {
  from: string;
  used: boolean;
}

export async function doctor(argv: string[]): Promise<number> {
  const { values } = parse(argv, {
    install: { type: "boolean" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.install) {
    const driver = await installDriver({ log: (line) => console.error(`proxel: ${line}`) });
    console.error(`proxel: Mesa ${driver.version} is in ${driver.path} (${Math.round(driver.bytes / 2 ** 20)} MiB)`);
  }
  const files = platform() === "linux" ? icdFiles().filter((file) => !file.startsWith(cacheFolder())) : [];
  const findings = await examine();
  const chosen = await choice(findings);
  const usable = chosen !== undefined;
  const advice = [...hardwareAdvice(chosen), ...(usable ? [] : installAdvice(findings))];
  if (!advice.length) advice.push(`nothing: Proxel works with ${chosen?.name}`);
  const about = {
    proxel: version(),
    node: process.versions.node,
    system: system().PRETTY_NAME ?? platform(),
    platform: `${platform()}-${arch()}`,
    icdFiles: files,
    cache: installedDriver() ?? null,
  };
  if (values.json) console.log(JSON.stringify({ ...about, usable, adapter: chosen?.name ?? null, findings, advice }));
  else print(about, findings, advice);
  return usable ? 0 : 1;
}

/** What Dawn finds with the system's drivers, and with the cached one. */
async function examine(): Promise<Finding[]> {
  if (platform() !== "linux") return [{ ...(await probe()), from: "the system", used: true }];
  const driver = installedDriver();
  const ours = driver && driverEnv(driver);
  const inherited = ours && process.env.VK_DRIVER_FILES === ours.VK_DRIVER_FILES;
  const clean = inherited ? { VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined } : {};
  const found: Finding[] = [{ ...(await probe({ env: clean })), from: "the system", used: false }];
  if (driver) {
    const preload = driver.libraries.map((name) => join(driver.path, "lib", name));
    found.push({ ...(await probe({ preload, env: ours })), from: `the cache (Mesa ${driver.version})`, used: false });
  }
  return found;
}

/** The adapter that openGpu() would take now; marks where it comes from. */
async function choice(findings: Finding[]): Promise<ProbedAdapter | undefined> {
  if (platform() === "linux" && icdFiles().length) await systemVerdict(true);
  const { driver } = await prepareVulkan();
  const at = driver === "cached" ? 1 : driver === "system" ? 0 : undefined;
  const finding = at === undefined ? undefined : findings[at];
  if (!finding) return undefined;
  const [adapter] = finding.adapters.length || driver !== "system" ? finding.adapters : (await probe()).adapters;
  if (adapter && !finding.adapters.length) finding.adapters.push(adapter);
  finding.used = adapter !== undefined;
  return adapter;
}

/** GPUs that the kernel sees, by PCI vendor. */
function hardware(): string[] {
  const vendors: Record<string, string> = { "0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel" };
  const drm = "/sys/class/drm";
  const cards = existsSync(drm) ? readdirSync(drm).filter((name) => /^card\d+$/.test(name)) : [];
  const seen = cards.map((card) => join(drm, card, "device/vendor")).filter((file) => existsSync(file));
  const names = seen.map((file) => vendors[readFileSync(file, "utf8").trim()]).filter((name) => name !== undefined);
  if (existsSync("/proc/driver/nvidia/version") || existsSync("/dev/nvidiactl")) names.push("NVIDIA");
  return [...new Set(names)];
}

function hardwareAdvice(chosen: ProbedAdapter | undefined): string[] {
  if (platform() !== "linux" || (chosen && !chosen.software)) return [];
  const advice = hardware().map((vendor) => {
    const what =
      vendor === "NVIDIA"
        ? "install NVIDIA's driver with its Vulkan part (Debian: nvidia-driver; in a container: NVIDIA_DRIVER_CAPABILITIES=all)"
        : "install Mesa's Vulkan drivers (Debian, Ubuntu: mesa-vulkan-drivers; Debian 12: from bookworm-backports)";
    return `an ${vendor} GPU is here and not used: ${what}, then run this again`;
  });
  const nodes = existsSync("/dev/dri") ? readdirSync("/dev/dri").filter((name) => name.startsWith("renderD")) : [];
  const closed = nodes.map((name) => `/dev/dri/${name}`).filter((file) => !readable(file));
  if (closed.length)
    advice.push(`${closed.join(", ")} is closed to you: join its group (sudo usermod -aG render $USER, log in again)`);
  if (chosen)
    advice.push(
      `${advice.length ? "meanwhile" : "nothing"}: Proxel works with ${chosen.name}, on the processor; a GPU would be far faster`,
    );
  return advice;
}

/** What to do where nothing works. */
function installAdvice(findings: Finding[]): string[] {
  if (platform() === "darwin")
    return ["WebGPU comes with Metal here: macOS 12 or newer, and not in a virtual machine without a GPU"];
  if (platform() === "win32")
    return ["update the graphics driver (Direct3D 12 is needed); without a GPU, use WSL and this command there"];
  const crash = findings.find((finding) => finding.crash)?.crash;
  if (crash && existsSync("/etc/alpine-release"))
    return ["Dawn needs glibc, which Alpine lacks: use a Debian or Ubuntu image"];
  if (crash)
    return [`the webgpu package does not run here (${crash}): \`npm ci\` again, on Linux x64 or arm64 with glibc`];
  const { ID = "", ID_LIKE = "" } = system();
  const kin = `${ID} ${ID_LIKE}`;
  if (/debian|ubuntu/.test(kin) && driverSuite())
    return [`\`${DOCTOR} --install\` fetches a driver that runs on the processor: about 190 MB in your cache, no root`];
  if (/fedora|rhel/.test(kin)) return ["sudo dnf install mesa-vulkan-drivers vulkan-loader"];
  if (/arch/.test(kin)) return ["sudo pacman -S vulkan-icd-loader vulkan-swrast"];
  if (/suse/.test(kin)) return ["sudo zypper install libvulkan1 libvulkan_lvp"];
  return ["install a Vulkan loader (libvulkan.so.1) and Mesa 25 or newer with your package manager"];
}

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
] as const;
const FEATURES = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix", "timestamp-query"];

function print(about: Record<string, unknown>, findings: Finding[], advice: string[]): void {
  const out = [`Proxel ${about.proxel}, Node ${about.node}, ${about.system}, ${about.platform}`];
  const icds = about.icdFiles as string[];
  if (platform() === "linux") {
    out.push(`Vulkan drivers named on this system: ${icds.length ? icds.join(", ") : "none"}`);
    out.push(`Driver in ${cacheFolder()}: ${installedDriver()?.version ?? "none"}`);
  }
  for (const { from, used, adapters, listed, reasons, crash } of findings) {
    out.push("", `From ${from}`);
    for (const adapter of adapters) {
      const has = (name: string) => adapter.features.includes(name);
      const backend = listed
        .map((line) => line.split(": "))
        .find(([, name]) => adapter.name.startsWith(name!.split(" ")[0]!));
      const kind = adapter.software ? "runs on the processor" : "a GPU";
      out.push(`  ${used ? "*" : " "} ${adapter.name} (${backend?.[0] ?? "WebGPU"}; ${kind})`);
      out.push(
        `      has    ${FEATURES.filter(has).join(", ") || "no optional feature"}; subgroups of ${[...new Set(adapter.subgroups)].join("-")}`,
      );
      const lacks = FEATURES.filter((name) => !has(name));
      if (lacks.length)
        out.push(`      lacks  ${lacks.join(", ")}${lacks.includes("shader-f16") ? " (weights stay in 32 bits)" : ""}`);
      for (const name of LIMITS) out.push(`      ${name.padEnd(34)} ${amount(name, adapter.limits[name])}`);
    }
    if (!adapters.length) out.push("    no adapter");
    for (const reason of [...reasons, ...(crash ? [crash] : [])]) out.push(`    Dawn: ${explained(reason)}`);
  }
  out.push("", "What to do", ...advice.map((line) => `  ${line}`));
  if (findings.some(({ used }) => used)) out.push("", "* is the one that openGpu() takes");
  console.log(out.join("\n"));
}

/** The commoner of Dawn's reasons, in other words. */
function explained(reason: string): string {
  if (/libvulkan\.so\.1/.test(reason)) return `${reason} (the system has no Vulkan loader)`;
  if (/ArrayDynamicIndexing/.test(reason)) return `${reason} (a Mesa older than 23, as Debian 12's own)`;
  return reason;
}

const amount = (name: string, value = 0): string =>
  /Size$/.test(name) && value >= 1024
    ? `${+(value / (value >= 2 ** 20 ? 2 ** 20 : 1024)).toFixed(1)} ${value >= 2 ** 20 ? "MiB" : "KiB"}`
    : `${value}`;

function readable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
