/** The system's apt, made to work in a folder of ours: its mirrors and keyrings, none of its state, no root. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GpuError } from "../errors.ts";

export const BY_HAND =
  "install a Vulkan driver with your package manager (Mesa 25 or newer; the package is often called mesa-vulkan-drivers or vulkan-swrast)";
const ASSUMED = new Set(["libc6", "libgcc-s1", "libstdc++6", "libcrypt1"]);

/** Options that keep apt-get inside `apt`, which holds sources/, status, lists/ and cache/. */
export function isolated(apt: string): string[] {
  return Object.entries({
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
}

export interface Source {
  uris: string;
  suites: string[];
  components: string;
  signedBy: string;
}

/** This system's own mirrors, narrowed to the release and its updates, as deb822 stanzas. */
export function sources(suite: string, all: readonly Source[] = configured()): string {
  const codename = suite.replace(/-backports$/, "");
  const alias = /^(stable|oldstable|testing|unstable|sid)([-/].*)?$/;
  const ours = (name: string) =>
    name === codename || /^[-/](updates|security|backports)$/.test(name.slice(codename.length));
  const picked: Source[] = [];
  for (const source of all) {
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

/** apt's sources on this system. */
function configured(): Source[] {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
    : [];
  return ["/etc/apt/sources.list", ...files]
    .filter((file) => /\.(list|sources)$/.test(file) && existsSync(file))
    .flatMap((file) => parseSources(readFileSync(file, "utf8"), file.endsWith(".sources")));
}

/** Enabled binary sources in either of apt's two formats. */
export function parseSources(file: string, deb822: boolean): Source[] {
  const text = file.replace(/^[ \t]*#.*\n?/gm, "");
  if (!deb822) {
    return [...text.matchAll(/^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)].map((m) => ({
      uris: m[2]!,
      suites: [m[3]!],
      components: m[4]!.trim(),
      signedBy: /signed-by=(\S+)/.exec(m[1] ?? "")?.[1]?.replaceAll(",", " ") ?? "",
    }));
  }
  const stanzas = text.split(/\n\s*\n/).map((stanza) => (name: string) => {
    const value = new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, "im").exec(stanza)?.[1] ?? "";
    return value.trim().replace(/\n\s*/g, "\n ");
  });
  return stanzas
    .filter((field) => /\bdeb\b/.test(field("Types").replaceAll("deb-src", "")) && !/^no$/i.test(field("Enabled")))
    .map((field) => ({
      uris: field("URIs"),
      suites: field("Suites").split(/\s+/),
      components: field("Components"),
      signedBy: field("Signed-By"),
    }));
}

/** The C and C++ libraries count as installed, whatever else is: the driver must not depend on what a user may remove. */
export function assumedPackages(): string {
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

/** Runs a tool of the system; its last words become the error. */
export function command(name: string, args: string[], what: string, signal: AbortSignal): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(name, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C" },
      signal,
    });
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
