// The project's own demo picture, so that nobody's photograph has to be shipped: a shop on a square before mountains.
// It has what restorations are judged by: long edges, fine texture (brick, leaves, slates), smooth shading, and text.
// Painted by asking every sample point for its colour in linear light and averaging a grid of them a pixel.

import { lattice, octaves, valueNoise } from "./field.ts";
import { strokeDistance, textStrokes } from "./font.ts";
import type { Picture } from "./picture.ts";
import { clearSky, hedge, mountains, sky, tree } from "./scene_backdrop.ts";
import { house } from "./scene_house.ts";
import { encodeLight, inside, mix, plus, type Rgb, rgb, smooth, times } from "./scene_paint.ts";

const PALE_TILE = rgb("#e9dcc3");
const DARK_TILE = rgb("#7b5a4c");
const HORIZON = 0.58;

/** Where the sun is kept off the square: 1 in full light. */
function daylight(x: number, y: number): number {
  const pool = (cx: number, cy: number, rx: number, ry: number, soft: number) =>
    smooth(1 - soft, 1 + soft, Math.hypot((x - cx) / rx, (y - cy) / ry));
  const ball = pool(-0.055, 0.936, 0.125, 0.024, 0.35);
  const marble = pool(0.105, 0.953, 0.058, 0.013, 0.4);
  const board = pool(0.405, 0.938, 0.11, 0.016, 0.5);
  // Under the tree light falls through the leaves.
  const dapple = smooth(0.4, 0.62, octaves(26 * x, 60 * y, 91, 3)) * 0.6;
  const crown = Math.min(1, pool(-0.24, 0.8, 0.24, 0.045, 0.3) + dapple);
  const wall = x > 0.03 ? smooth(0.742, 0.766, y) : 1;
  return (
    (0.3 + 0.7 * ball) * (0.35 + 0.65 * marble) * (0.4 + 0.6 * board) * (0.45 + 0.55 * crown) * (0.55 + 0.45 * wall)
  );
}

/** Paved square in perspective: depth is 1 at the lower edge of the picture. */
function square(x: number, y: number): Rgb {
  const depth = (1 - HORIZON) / (y - HORIZON);
  const [X, Z] = [(x * depth) / 0.145, depth / 0.145];
  const [i, j] = [Math.floor(X + 0.35), Math.floor(Z)];
  const [u, v] = [X + 0.35 - i, Z - j];
  const tint = lattice(i, j, 93);
  const tile = (i + j) % 2 === 0 ? PALE_TILE : DARK_TILE;
  const grain = octaves(9 * X, 9 * Z, 95, 3, 0.6);
  const joint = Math.min(u, 1 - u, v, 1 - v) < 0.035 ? 0.5 : 1;
  // Rows thinner than a pixel melt into their mean instead of beating with the pixels.
  const clear = smooth(3.1, 1.7, depth);
  const stone = mix(mix(PALE_TILE, DARK_TILE, 0.5), times(tile, joint), clear);
  return times(stone, (0.8 + 0.22 * tint * clear + 0.34 * (grain - 0.5)) * daylight(x, y));
}

/** A ball: its normal at (x, y), or undefined outside. */
function normalOf(x: number, y: number, cx: number, cy: number, r: number): Rgb | undefined {
  const [u, v] = [(x - cx) / r, (y - cy) / r];
  const rest = 1 - u * u - v * v;
  return rest < 0 ? undefined : [u, v, Math.sqrt(rest)];
}

const SUN: Rgb = [-0.52, -0.66, 0.54];
const dot = (a: Rgb, b: Rgb) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Glazed: diffuse colour, the surroundings mirrored at grazing angles, and the sun's highlight. */
function glazed(colour: Rgb, n: Rgb): Rgb {
  const diffuse = 0.2 + 0.95 * Math.max(0, dot(n, SUN)) + 0.14 * Math.max(0, n[1]); // with light back from the ground
  // The eye looks along -z; the mirrored ray's height says sky or ground.
  const up = -2 * n[2] * n[1];
  const world =
    up > 0
      ? times(clearSky(0.58 - 0.58 * Math.min(1, up)), 0.95)
      : mix(rgb("#cdbd9f"), rgb("#6b5c4e"), smooth(0, -0.7, up));
  const fresnel = 0.05 + 0.75 * (1 - n[2]) ** 3;
  const half: Rgb = [SUN[0], SUN[1], SUN[2] + 1];
  const gleam = Math.max(0, dot(n, half) / Math.hypot(...half)) ** 160;
  return plus(mix(times(colour, diffuse), world, fresnel), [1.6 * gleam, 1.55 * gleam, 1.45 * gleam]);
}

const ORANGE = rgb("#e8772e");
const BALL: Rgb[] = ["#f4efe4", "#2672b5", "#f4efe4", "#d8343f", "#f4efe4", "#f2b632"].map(rgb);

function balls(x: number, y: number): Rgb | undefined {
  const small = normalOf(x, y, 0.062, 0.915, 0.046);
  if (small) {
    const [a, b, c] = [small[0] * 0.85 - small[1] * 0.53, small[0] * 0.53 + small[1] * 0.85, small[2]];
    const sector = Math.floor(((Math.atan2(a, c * 0.8 + b * 0.6) / Math.PI + 1) / 2) * 6);
    return glazed(BALL[Math.min(5, sector)], small);
  }
  const large = normalOf(x, y, -0.15, 0.845, 0.098);
  if (!large) return undefined;
  return glazed(times(ORANGE, 0.92 + 0.16 * valueNoise(30 * x, 30 * y, 97)), large);
}

const WOOD = rgb("#a8743f");
const CHALK = rgb("#eef1ea");
const CHALKBOARD = rgb("#232a2c");
const MENU = ["DEBLUR 3", "INPAINT 5", "ZOOM 4×", "No. 1976"].map(textStrokes);

/** Chalk board standing on the square, leaning back a little. */
function board(x: number, y: number): Rgb | undefined {
  const [top, bottom] = [0.745, 0.94];
  const t = (y - top) / (bottom - top);
  const u = (x - 0.345) / (0.098 + 0.012 * t);
  if (t < 0 || t > 1 || Math.abs(u) > 1) return undefined;
  if (t > 0.92) return Math.abs(u) > 0.86 ? times(WOOD, 0.5) : undefined; // feet
  if (Math.abs(u) > 0.9 || t < 0.055 || t > 0.865) {
    const grain = t < 0.055 || t > 0.865 ? octaves(12 * x, 190 * y, 99, 3) : octaves(190 * x, 12 * y, 99, 3);
    return times(WOOD, (0.6 + 0.6 * grain) * (u > 0.9 ? 0.65 : 1));
  }
  const line = Math.floor(((t - 0.09) / 0.76) * MENU.length);
  if (inside(line, 0, MENU.length)) {
    const { strokes, width } = MENU[line];
    const scale = 0.0024;
    const base = top + (bottom - top) * (0.09 + (0.76 * (line + 0.8)) / MENU.length);
    const distance = scale * strokeDistance(strokes, (x - 0.345) / scale + width / 2, (base - y) / scale);
    if (distance < 0.0023) return times(CHALK, 0.7 + 0.35 * valueNoise(300 * x, 300 * y, 101));
  }
  return times(CHALKBOARD, 0.8 + 0.9 * octaves(16 * x, 10 * y, 103, 3) ** 2);
}

function colourAt(x: number, y: number): Rgb {
  const front = y > 0.7 ? (balls(x, y) ?? board(x, y)) : undefined;
  return front ?? tree(x, y) ?? house(x, y) ?? (y > 0.7 ? square(x, y) : (hedge(x, y) ?? mountains(x, y) ?? sky(x, y)));
}

/** The scene at any size; more width shows more to the sides. RGB in [-1, 1], `samples`^2 points a pixel. */
export function scene({ width = 256, height = 256, samples = 4 } = {}): Picture {
  const data = new Float32Array(3 * width * height);
  for (let j = 0; j < height; j++)
    for (let i = 0; i < width; i++) {
      let sum: Rgb = [0, 0, 0];
      for (let s = 0; s < samples * samples; s++) {
        const [u, v] = [((s % samples) + 0.5) / samples, (Math.floor(s / samples) + 0.5) / samples];
        sum = plus(sum, colourAt((i + u - width / 2) / height, (j + v) / height));
      }
      // A lens is darker to the corners, and warm light warms the picture.
      const corner = 1 - 0.22 * ((i / width - 0.5) ** 2 + (j / height - 0.5) ** 2);
      const gain = (1.04 * corner) / samples ** 2;
      const warm = [1.03, 1, 0.95];
      for (let c = 0; c < 3; c++) {
        const v = sum[c] * gain * warm[c];
        // Highlights roll off instead of clipping.
        data[3 * (j * width + i) + c] = 2 * encodeLight(v < 0.7 ? v : 0.7 + 0.3 * Math.tanh((v - 0.7) / 0.3)) - 1;
      }
    }
  return { width, height, channels: 3, data, bits: 8, name: "scene" };
}
