import type { Plugin } from "esbuild";

export const SHADERS: string;
export function link(path: string, seen?: Set<string>): string;
export function wgslVite(): { name: string; enforce: "pre"; load(id: string): string | undefined };
export function wgslEsbuild(): Plugin;
