import { existsSync, readFileSync } from "node:fs";

/** The folder of package.json: two above this file in the sources, one above in dist/. */
export function packageRoot(): URL {
  for (const up of ["../", "../../"]) {
    const root = new URL(up, import.meta.url);
    if (existsSync(new URL("package.json", root))) return root;
  }
  throw new Error("internal: no package.json above this file");
}

export const version = (): string => JSON.parse(readFileSync(new URL("package.json", packageRoot()), "utf8")).version;
