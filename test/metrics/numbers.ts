import { readFileSync } from "node:fs";
import { parseSafetensors, widen } from "../../src/weights/safetensors.ts";
import { seeded } from "../lib/seeded.ts";

const at = (name: string) => new URL(`../fixtures/${name}`, import.meta.url);

/** What test/fixtures/metrics.py found in float64. */
export const numbers = JSON.parse(readFileSync(at("metrics.json"), "utf8"));
const file = parseSafetensors(readFileSync(at("metrics.safetensors")));
export const fixture = (name: string) => widen(file.entry(name));

/** Its two pictures [h, w, 3]. */
export function pair(h: number, w: number): [Float32Array, Float32Array] {
  const clamp = (v: number) => Math.max(-1, Math.min(1, v));
  const a = Float64Array.from(seeded(`a${h}x${w}`, 3 * h * w), (v, i) =>
    clamp(v * 0.4 - 0.5 + (Math.floor(i / 3) % w) / (w - 1)),
  );
  const noise = seeded(`b${h}x${w}`, 3 * h * w);
  return [Float32Array.from(a), Float32Array.from(a, (v, i) => 0.8 * clamp(v + 0.3 * (noise[i] as number)))];
}
