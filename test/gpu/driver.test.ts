import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parseSources, sources } from "../../src/gpu/apt.node.ts";
import { driverSuite, installedDriver, loadDriver, prepareVulkan } from "../../src/gpu/driver.node.ts";
import { installDriver } from "../../src/gpu/driver_install.node.ts";
import { elf } from "../../src/gpu/elf.node.ts";
import { probe } from "../../src/gpu/probe.node.ts";

const linux = process.platform === "linux";

describe.runIf(linux)("the driver", () => {
  const before = process.env.PROXEL_DRIVER;
  afterEach(() => {
    if (before === undefined) delete process.env.PROXEL_DRIVER;
    else process.env.PROXEL_DRIVER = before;
  });

  it("is one that Dawn accepts, and the choice is stable", async () => {
    const first = await prepareVulkan();
    expect(first.driver).not.toBe("none");
    expect((await prepareVulkan()).driver).toBe(first.driver);
    expect((await probe({ preload: preload() })).adapters.length).toBeGreaterThan(0);
  });

  it("can be forced, and says what it expects", async () => {
    process.env.PROXEL_DRIVER = "system";
    expect((await prepareVulkan()).driver).toBe("system");
    process.env.PROXEL_DRIVER = "nvidia";
    await expect(prepareVulkan()).rejects.toThrow('PROXEL_DRIVER: expected "system" or "cached", got "nvidia"');
  });

  it.runIf(installedDriver())("is complete, fetched once, and loads twice without harm", async () => {
    const driver = installedDriver()!;
    const held = new Set(driver.libraries);
    for (const name of driver.libraries) {
      const { soname, needed } = elf(join(driver.path, "lib", name));
      expect(soname ?? name).toBe(name);
      const missing = needed.filter(
        (n) => !held.has(n) && !/^(lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+)|ld-linux.*)\.so/.test(n),
      );
      expect(missing, name).toEqual([]);
    }
    expect(await installDriver()).toEqual(driver);
    expect(loadDriver() && loadDriver()).toBe(true);
  });

  it("reads the libraries that Node itself needs", () => {
    const { needed } = elf(process.execPath);
    if (needed.length) expect(needed.some((name) => /^libc\.so|^libc\.musl/.test(name))).toBe(true);
  });
});

const preload = (): string[] => {
  const driver = installedDriver();
  return driver && process.env.VK_DRIVER_FILES ? driver.libraries.map((name) => join(driver.path, "lib", name)) : [];
};

const DEB822 = `# the distribution's own
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

## off
Enabled: no
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main

Types: deb
URIs: https://packages.example/repo
Suites: nodistro
Components: main
`;
const ONE_LINE = `deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/ubuntu noble main universe
# deb http://mirror.example/ubuntu noble-proposed main
deb-src http://mirror.example/ubuntu noble main
deb http://mirror.example/ubuntu noble-updates main
deb http://other.example/apt noble-pgdg main
`;

describe("apt's sources", () => {
  it("are read in both formats", () => {
    const [first, second, ...rest] = parseSources(DEB822, true);
    expect(rest).toEqual([]);
    expect(first?.suites).toEqual(["bookworm", "bookworm-updates"]);
    expect(first?.signedBy).toBe("/usr/share/keyrings/debian-archive-keyring.gpg");
    expect(second?.suites).toEqual(["nodistro"]);
    const lines = parseSources(ONE_LINE, false);
    expect(lines.map(({ suites }) => suites[0])).toEqual(["noble", "noble-updates", "noble-pgdg"]);
    expect(lines[0]?.signedBy).toBe("/k.gpg");
  });

  it("are narrowed to the release, and backports come from the same mirror", () => {
    const debian = sources("bookworm-backports", parseSources(DEB822, true));
    expect(debian.match(/^Suites: .*$/gm)).toEqual(["Suites: bookworm bookworm-updates", "Suites: bookworm-backports"]);
    expect(debian).not.toContain("packages.example");
    expect(debian.match(/^Signed-By: /gm)).toHaveLength(2);
    const ubuntu = sources("noble", parseSources(ONE_LINE, false));
    expect(ubuntu.match(/^Suites: .*$/gm)).toEqual(["Suites: noble", "Suites: noble-updates"]);
    expect(() => sources("jammy", parseSources(ONE_LINE, false))).toThrow("apt has no source for jammy");
  });

  it.runIf(existsSync("/etc/apt") && driverSuite())("of this system are found", () => {
    expect(sources(driverSuite()!)).toContain("Suites: ");
  });
});
