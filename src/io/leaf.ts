// One dead leaf: its outline as a signed distance, its shading and its texture.

import type { Mood } from "./dead_leaves.ts";
import { octaves } from "./field.ts";
import type { Draws } from "./hash.ts";

export interface Leaf {
  x: number;
  y: number;
  /** No pixel farther than this is covered. */
  reach: number;
  /** Width of the soft edge in pixels; 1 is a sharp, anti-aliased one. */
  edge: number;
  /** Signed distance in pixels from the outline, negative inside; exact enough near it. */
  distance(dx: number, dy: number): number;
  colour: [number, number, number];
  /** Change of brightness a pixel: the leaf is not lit evenly. */
  shade: [number, number];
  /** Added to the colour, channel by channel in these proportions. */
  texture?: (dx: number, dy: number) => number;
  tint: [number, number, number];
}

/** Radius with density r^-3 between the mood's ends, by inversion. */
function radius(random: Draws, { smallest, largest }: Mood): number {
  const u = random.uniform();
  return 1 / Math.sqrt(u / largest ** 2 + (1 - u) / smallest ** 2);
}

/** Grey level plus two sparse colour axes (blue-yellow, red-green): natural colours huddle round grey. */
function colourOf(random: Draws, m: Mood): [number, number, number] {
  const light = m.lightness + m.contrast * (random.uniform() < 0.7 ? random.normal() : random.uniform(-2, 2));
  const warm = m.cast[0] + m.saturation * random.laplace();
  const red = m.cast[1] + 0.6 * m.saturation * random.laplace();
  const clamp = (v: number) => Math.min(1, Math.max(0, v));
  return [clamp(light + warm + red), clamp(light - red), clamp(light - 1.3 * warm + 0.3 * red)];
}

function ellipse(a: number, b: number, cos: number, sin: number): Leaf["distance"] {
  return (dx, dy) => {
    const [u, v] = [(cos * dx + sin * dy) / a, (cos * dy - sin * dx) / b];
    const f = Math.hypot(u, v);
    // First-order distance: f - 1 over the length of its gradient.
    return f < 1e-6 ? -Math.min(a, b) : ((f - 1) * f) / Math.hypot(u / a, v / b);
  };
}

/** Convex polygon: intersection of half-planes at hashed angles. */
function polygon(random: Draws, r: number, sides: number): Leaf["distance"] {
  const turn = random.uniform(0, 2 * Math.PI);
  const planes = Array.from({ length: sides }, (_, k) => {
    const angle = turn + (2 * Math.PI * (k + random.uniform(-0.25, 0.25))) / sides;
    return [Math.cos(angle), Math.sin(angle), r * random.uniform(0.55, 0.95)] as const;
  });
  return (dx, dy) => {
    let most = -Infinity;
    for (const [nx, ny, d] of planes) most = Math.max(most, nx * dx + ny * dy - d);
    return most;
  };
}

// A leaf looks its 1/f noise up in one field that wraps, instead of summing octaves at every pixel.
const FIELD = 256;
let field: Float32Array | undefined;
function fractal(u: number, v: number): number {
  if (!field) {
    field = new Float32Array(FIELD * FIELD);
    for (let y = 0; y < FIELD; y++)
      for (let x = 0; x < FIELD; x++) field[y * FIELD + x] = 3 * (octaves(x / 24, y / 24, 77, 6, 0.62) - 0.5);
  }
  const [i, j] = [Math.floor(u), Math.floor(v)];
  const [a, b] = [u - i, v - j];
  const at = (x: number, y: number) => field![(y & (FIELD - 1)) * FIELD + (x & (FIELD - 1))];
  return (at(i, j) * (1 - a) + at(i + 1, j) * a) * (1 - b) + (at(i, j + 1) * (1 - a) + at(i + 1, j + 1) * a) * b;
}

/** Nothing for half of the leaves; else 1/f noise, a grating, stripes with edges, or fur (noise drawn out). */
function textureOf(random: Draws): Leaf["texture"] {
  const kind = random.uniform();
  if (kind < 0.42) return undefined;
  const angle = random.uniform(0, Math.PI);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const strength = 0.16 * random.uniform(0.15, 1) ** 1.5;
  const [ox, oy] = [random.uniform(0, FIELD), random.uniform(0, FIELD)];
  const scale = random.uniform(0.4, 3);
  if (kind < 0.7)
    return (dx, dy) => strength * fractal(ox + scale * (cos * dx + sin * dy), oy + scale * (cos * dy - sin * dx));
  if (kind < 0.82) {
    const stretch = random.uniform(4, 10);
    return (dx, dy) =>
      strength * fractal(ox + 2.5 * (cos * dx + sin * dy), oy + (2.5 / stretch) * (cos * dy - sin * dx));
  }
  // Periods from 2.6 pixels: nothing beyond what the pixels can hold.
  const wave = (2 * Math.PI) / (2.6 * 8 ** random.uniform());
  const sharp = kind < 0.93 ? 0 : random.uniform(1, 1 / wave + 1);
  const bend = random.uniform(0, 1.2);
  return (dx, dy) => {
    const s = Math.sin(wave * (cos * dx + sin * dy) + bend * fractal(ox + 0.5 * dx, oy + 0.5 * dy));
    return strength * (sharp ? Math.max(-1, Math.min(1, sharp * 1.5 * s)) : s);
  };
}

export function leaf(random: Draws, m: Mood, width: number, height: number): Leaf {
  const r = radius(random, m);
  const angle = random.uniform(0, Math.PI);
  const shape = random.uniform();
  const slim = shape < 0.3 ? 1 : random.uniform(0.25, 1);
  const distance =
    shape < 0.65
      ? ellipse(r, Math.max(0.6, r * slim), Math.cos(angle), Math.sin(angle))
      : polygon(random, r, 3 + random.below(4));
  const edge = random.uniform() < 0.75 ? 1 : random.uniform(1, 1 + 0.25 * r);
  // A polygon's corners lie beyond its inradius: a triangle's by a factor of two and more.
  const reach = (shape < 0.65 ? r : 2.6 * r) + edge;
  const texture = textureOf(random);
  const slope = (random.normal() * 0.12) / (r + 4);
  const bow = random.uniform(0, 2 * Math.PI);
  return {
    x: random.uniform(-0.1, 1.1) * width,
    y: random.uniform(-0.1, 1.1) * height,
    reach,
    edge,
    distance,
    colour: colourOf(random, m),
    shade: [slope * Math.cos(bow), slope * Math.sin(bow)],
    ...(texture && { texture }),
    tint: [1 + 0.25 * random.normal(), 1, 1 + 0.25 * random.normal()],
  };
}

/** Colour of a leaf at an offset from its centre, into `out`. */
export function leafColour(l: Leaf, dx: number, dy: number, out: [number, number, number]): void {
  const light = l.shade[0] * dx + l.shade[1] * dy;
  const grain = l.texture ? l.texture(dx, dy) : 0;
  for (let c = 0; c < 3; c++) out[c] = l.colour[c] + light + grain * l.tint[c];
}
