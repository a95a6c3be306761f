import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  // Chromium's own software adapter: the same on every machine
  "--use-webgpu-adapter=swiftshader",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-domain-reliability",
  "--disable-sync",
  "--no-first-run",
  "--no-pings",
];

export const HOW = "no Chromium: `sudo apt-get install chromium` on Debian and Ubuntu, or name one in PROXEL_CHROMIUM";

/** Path of a Chromium on this machine, or undefined. */
export function findChromium(): string | undefined {
  const named = process.env.PROXEL_CHROMIUM;
  const paths = (process.env.PATH ?? "").split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return (named ? [named] : [...paths, "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export const launch = (executablePath: string): Promise<Browser> => chromium.launch({ executablePath, args: FLAGS });
