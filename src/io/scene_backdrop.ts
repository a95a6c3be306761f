// Sky, mountains, hills, hedge and tree of the demo scene. x is 0 in the middle, y runs 0 (top) to 1 (bottom), both in
// heights of the picture. The sun stands at the upper left.

import { lattice, octaves, valueNoise } from "./field.ts";
import { mix, type Rgb, rgb, smooth, times } from "./scene_paint.ts";

const ZENITH = rgb("#2f66ad");
const MIDDAY = rgb("#8fb8dc");
const HORIZON = rgb("#f3dfc4");
const CLOUD = rgb("#fffaf2");
const CLOUD_SHADE = rgb("#a9b6c8");

/** Clear sky, without clouds: also what glass and glaze reflect. */
export function clearSky(y: number): Rgb {
  const t = y / 0.58;
  return t < 0.6
    ? mix(ZENITH, MIDDAY, smooth(-0.1, 0.65, t))
    : mix(mix(ZENITH, MIDDAY, smooth(-0.1, 0.65, t)), HORIZON, smooth(0.55, 1.05, t));
}

export function sky(x: number, y: number): Rgb {
  // Clouds lie on a plane overhead: flatter and finer towards the horizon.
  const far = 1 / (0.74 - y);
  const cloud = (u: number, v: number) => octaves(1.1 * u * far + 1.7, 1.5 * far + 2.2 * v, 3, 6, 0.52);
  const thick = cloud(x, y);
  const cover = smooth(0.5, 0.66, thick) * smooth(0.6, 0.4, y);
  const lit = smooth(-0.035, 0.035, thick - cloud(x - 0.03, y - 0.05));
  return mix(clearSky(y), mix(CLOUD_SHADE, CLOUD, 0.35 + 0.65 * lit), 0.92 * cover);
}

const ROCK_LIT = rgb("#b7a795");
const ROCK_DARK = rgb("#4c5670");
const SNOW = rgb("#f7f6f4");
const HAZE = rgb("#b9cbdc");
const MEADOW = rgb("#8f9f54");
const WOOD = rgb("#3f5b3a");

const ridge = (x: number) => 0.5 - 0.17 * Math.abs(octaves(2.6 * x + 11.3, 0.5, 21, 6, 0.5) - 0.36) * 2.1 - 0.05;
const hill = (x: number) => 0.585 - 0.05 * octaves(2.2 * x + 4.2, 9.5, 31, 4, 0.45);

/** Mountains and hills, or undefined where the sky shows. */
export function mountains(x: number, y: number): Rgb | undefined {
  const near = hill(x);
  if (y >= near) {
    const lump = octaves(34 * x, 60 * y, 41, 4, 0.6);
    const field = smooth(0.44, 0.56, octaves(6 * x + 2, 22 * y, 43, 3));
    const green = mix(times(WOOD, 0.55 + 0.9 * lump), times(MEADOW, 0.75 + 0.5 * lump), field);
    return mix(green, HAZE, 0.3 - 0.9 * (y - near));
  }
  const top = ridge(x);
  if (y < top) return undefined;
  // The relief's slope against the light, from the same noise that draws the rock.
  const relief = (u: number, v: number) => octaves(9 * u + 3 * v, 7 * v - 2 * u, 23, 6, 0.62);
  const light = smooth(-0.09, 0.09, relief(x + 0.012, y + 0.012) - relief(x - 0.012, y - 0.012));
  const snow = smooth(0.07, 0.025, y - top + 0.12 * (relief(x, y) - 0.5));
  const rock = mix(ROCK_DARK, ROCK_LIT, light);
  return mix(mix(rock, times(SNOW, 0.55 + 0.45 * light), snow), HAZE, 0.16 + 1.5 * Math.max(0, y - 0.42));
}

const LEAF_LIT = rgb("#b4c24e");
const LEAF = rgb("#5f8a2f");
const LEAF_DARK = rgb("#17301a");
const BARK = rgb("#6d5440");

/** Leaves: `light` is how the clump faces the sun; small lumps and gaps on top. */
function leaves(x: number, y: number, light: number): Rgb {
  // Turned lattices, or the leaves line up in rows and columns.
  const fine = valueNoise(138 * x + 92 * y, 138 * y - 92 * x, 51);
  const lump = octaves(44 * x - 21 * y, 44 * y + 21 * x, 53, 3, 0.6);
  const value = 0.82 * light + 0.62 * (lump - 0.5) + 0.42 * (fine - 0.5) - 0.06;
  const tone =
    value < 0.4 ? mix(LEAF_DARK, LEAF, smooth(-0.1, 0.42, value)) : mix(LEAF, LEAF_LIT, smooth(0.38, 0.95, value));
  return tone;
}

/** Clipped hedge along the far side of the square, or undefined. */
export function hedge(x: number, y: number): Rgb | undefined {
  const top = 0.638 + 0.006 * octaves(40 * x, 2, 57, 3) - 0.003;
  if (y < top || y > 0.705) return undefined;
  return times(leaves(x, y, 0.95 - 11 * (y - top)), 0.85);
}

interface Clump {
  x: number;
  y: number;
  r: number;
}
const TREE_X = -0.335;
const clumps: Clump[] = Array.from({ length: 34 }, (_, k) => {
  const angle = 2.399963 * k;
  const out = 0.155 * Math.sqrt((k + 0.5) / 34);
  return {
    x: TREE_X + 1.02 * out * Math.cos(angle) + 0.02 * (lattice(k, 1, 61) - 0.5),
    y: 0.375 + 1.12 * out * Math.sin(angle),
    r: 0.04 + 0.034 * lattice(k, 2, 61),
  };
}).sort((a, b) => a.y - b.y); // lower clumps hang in front

/** The tree on the left, or undefined. */
export function tree(x: number, y: number): Rgb | undefined {
  if (Math.abs(x - TREE_X) > 0.26 || y > 0.8) return undefined;
  const ragged = 0.02 * (octaves(42 * x, 42 * y, 63, 3, 0.6) - 0.5) + 0.012 * (valueNoise(130 * x, 130 * y, 64) - 0.5);
  for (let k = clumps.length - 1; k >= 0; k--) {
    const { x: cx, y: cy, r } = clumps[k];
    const [u, v] = [(x - cx) / r, (y - cy) / r];
    const distance = Math.hypot(u, v) + (2 * ragged) / r;
    if (distance > 1) continue;
    const face = 0.44 - 0.5 * u - 0.72 * v; // towards the upper left
    const whole = 0.5 - 1.5 * (x - TREE_X) - 1.9 * (y - 0.375); // and the crown as one round body
    return leaves(x, y, 0.6 * face + 0.4 * whole);
  }
  // Trunk, wider at the foot, with bark along it.
  const wide = 0.017 + 0.012 * smooth(0.7, 0.79, y) + 0.004 * smooth(0.6, 0.5, y);
  const across = (x - TREE_X - 0.012 * Math.sin(9 * y)) / wide;
  if (y < 0.45 || y > 0.785 || Math.abs(across) > 1) return undefined;
  const bark = octaves(160 * x, 26 * y, 67, 3, 0.6);
  return times(BARK, (0.35 + 0.9 * bark) * (0.95 - 0.6 * across) * smooth(0.46, 0.6, y));
}
