// The shop of the demo scene: bricks, windows with shutters, a painted sign, a striped awning, a lit shop window.

import { lattice, octaves, valueNoise } from "./field.ts";
import { strokeDistance, textStrokes } from "./font.ts";
import { clearSky } from "./scene_backdrop.ts";
import { inside, mix, plus, type Rgb, rgb, smooth, times } from "./scene_paint.ts";

const BRICK = rgb("#a8553c");
const BRICK_PALE = rgb("#c98a68");
const MORTAR = rgb("#cdbfae");
const STONE = rgb("#e6dcc8");
const SLATE = rgb("#4d5a68");
const FRAME = rgb("#f5f1e8");
const SHUTTER = rgb("#2f6b62");
const BOARD = rgb("#123f45");
const GOLD = rgb("#f2c765");
const RED = rgb("#c02f2b");
const CREAM = rgb("#f7ecd6");
const GLOW = rgb("#ffcf87");
const DOOR = rgb("#22505c");

const LEFT = 0.03;
const RIGHT = 0.62;
const FOOT = 0.748;
const shine = (k: number): Rgb => [k, k, k];

function bricks(x: number, y: number): Rgb {
  const row = Math.floor(y / 0.0135);
  const across = x / 0.036 + (row % 2) / 2;
  const [u, v] = [across - Math.floor(across), y / 0.0135 - row];
  const tint = lattice(Math.floor(across), row, 71);
  const grain = octaves(90 * x, 90 * y, 73, 3);
  if (u < 0.075 || v < 0.2) return times(MORTAR, 0.62 + 0.4 * grain);
  // Lit from the upper left: a bright upper and a dark lower edge on each brick.
  const relief = 1 + 0.14 * smooth(0.34, 0.22, v) - 0.2 * smooth(0.84, 1, v);
  return times(mix(BRICK, BRICK_PALE, tint ** 2), (0.6 + 0.35 * tint + 0.4 * (grain - 0.3)) * relief);
}

const roof = (x: number, y: number): Rgb => {
  const row = Math.floor(y / 0.0145);
  const across = x / 0.021 + (row % 2) / 2;
  const v = y / 0.0145 - row;
  return times(
    SLATE,
    (0.65 + 0.6 * lattice(Math.floor(across), row, 75)) *
      (0.6 + 0.5 * v) *
      (across - Math.floor(across) < 0.09 ? 0.6 : 1),
  );
};

/** Glass: the sky mirrored, a curtain or darkness behind. */
function glass(x: number, y: number, u: number, v: number): Rgb {
  const mirrored = mix(
    times(clearSky(0.52 - 0.45 * v), 0.55),
    shine(0.02),
    smooth(0.35, 0.65, octaves(9 * x, 9 * y + 5, 77, 3) + 0.25 * (u - v)),
  );
  const fold = 0.5 + 0.5 * Math.sin(95 * x + 3 * v);
  return Math.abs(u - 0.5) > 0.5 - 0.22 * (1.25 - v) ? times(CREAM, 0.34 + 0.22 * fold) : mirrored;
}

/** A window of the upper floor, with shutters; undefined where the wall shows. */
function window(x: number, y: number, centre: number): Rgb | undefined {
  const [dx, wide, top, bottom] = [x - centre, 0.036, 0.2, 0.335];
  if (inside(y, bottom, bottom + 0.013) && Math.abs(dx) < wide + 0.008) return times(STONE, 1.02 - 30 * (y - bottom));
  if (inside(y, top - 0.018, top) && Math.abs(dx) < wide + 0.006 + 0.3 * (top - y))
    return times(STONE, 0.9 + 0.1 * valueNoise(80 * x, 80 * y, 79));
  if (!inside(y, top, bottom)) return undefined;
  if (Math.abs(dx) < wide) {
    const [u, v] = [(dx + wide) / (2 * wide), (y - top) / (bottom - top)];
    const bar =
      Math.min(Math.abs(dx), wide - Math.abs(dx)) < 0.0042 || Math.abs(v - 0.42) < 0.028 || v < 0.035 || v > 0.96;
    // The reveal throws its shadow on frame and glass from the upper left.
    const shade = u < 0.09 || v < 0.07 ? 0.5 : 1;
    return times(bar ? FRAME : glass(x, y, u, v), shade);
  }
  const s = Math.abs(dx) - wide;
  if (s > 0.034) return s < 0.04 && dx > 0 ? times(bricks(x, y), 0.55) : undefined;
  const slat = ((y - top) / 0.0105) % 1;
  const rim = s < 0.005 || s > 0.029 || y < top + 0.008 || y > bottom - 0.008;
  return times(SHUTTER, rim ? 0.95 : 0.45 + 0.85 * slat);
}

const SIGN = textStrokes("PROXEL");
const NUMBER = textStrokes("27");
/** Signed distance of a point to lettering centred on (cx), in scene units. */
function lettering(
  { strokes, width }: typeof SIGN,
  x: number,
  y: number,
  cx: number,
  base: number,
  scale: number,
): number {
  return scale * strokeDistance(strokes, (x - cx) / scale + width / 2, (base - y) / scale);
}

function sign(x: number, y: number): Rgb | undefined {
  const [dx, dy] = [Math.abs(x - 0.285), Math.abs(y - 0.43)];
  if (dx > 0.205 || dy > 0.042) return undefined;
  if (dx > 0.199 || dy > 0.036) return times(GOLD, y < 0.43 ? 0.75 : 0.4);
  const letter = lettering(SIGN, x, y, 0.285, 0.4525, 0.00455);
  if (letter < 0.0047) return times(GOLD, 0.85 + 6 * (0.45 - y));
  const shadow = lettering(SIGN, x - 0.004, y - 0.004, 0.285, 0.4525, 0.00455) < 0.0047;
  return times(BOARD, (shadow ? 0.35 : 1) * (0.9 + 0.3 * valueNoise(14 * x, 140 * y, 81)));
}

/** Striped canvas; flares towards its lower edge and ends in scallops. */
function awning(x: number, y: number): Rgb | undefined {
  const [top, edge, drop] = [0.492, 0.574, 0.026];
  if (y < top || y > edge + drop) return undefined;
  const t = Math.min(1, (y - top) / (edge - top));
  const u = (x - 0.285) / (0.2 + 0.032 * t) / 2 + 0.5;
  if (u < 0 || u >= 1) return undefined;
  const stripe = Math.floor(u * 13);
  const along = u * 13 - stripe - 0.5;
  const cloth = stripe % 2 ? CREAM : RED;
  if (y <= edge)
    return times(
      cloth,
      (1.04 - 0.28 * t) * (1 - 0.35 * (2 * along) ** 4) * (0.94 + 0.12 * valueNoise(40 * x, 40 * y, 83)),
    );
  return y - edge < drop * (0.45 + 0.55 * Math.sqrt(1 - 3.6 * along * along)) ? times(cloth, 0.62) : undefined;
}

/** Lit shop window with goods on two shelves. */
function shop(x: number, y: number): Rgb | undefined {
  const [left, right, top, bottom] = [0.075, 0.345, 0.585, 0.705];
  if (!inside(x, left, right) || !inside(y, top, bottom)) return undefined;
  const [u, v] = [(x - left) / (right - left), (y - top) / (bottom - top)];
  if (u < 0.022 || u > 0.978 || v > 0.94 || Math.abs(u - 0.5) < 0.013) return times(FRAME, 0.8);
  const shelf = v < 0.52 ? 0.5 : 0.9;
  if (Math.abs(v - shelf) < 0.022) return rgb("#6b4526");
  const slot = Math.floor(u * 15);
  const [kind, tall] = [lattice(slot, shelf > 0.6 ? 1 : 0, 85), 0.15 + 0.16 * lattice(slot, shelf > 0.6 ? 3 : 2, 85)];
  const across = Math.abs(u * 15 - slot - 0.5);
  const up = (shelf - v) / tall;
  if (up > 0 && up < 1 && across < (up > 0.7 ? 0.16 : 0.34)) {
    const glaze: Rgb = [0.25 + 0.6 * kind, 0.12 + 0.5 * lattice(slot, 7, 85), 0.1 + 0.5 * lattice(slot, 8, 85)];
    return times(glaze, 0.9 - 1.4 * across + (across < 0.1 ? 0.25 : 0));
  }
  return times(GLOW, 0.95 - 0.55 * v - 0.5 * (u - 0.5) ** 2);
}

function door(x: number, y: number): Rgb | undefined {
  const [dx, top] = [x - 0.43, 0.575];
  if (Math.abs(dx) > 0.052 || y < top) return undefined;
  if (Math.abs(dx) > 0.045 || y < top + 0.008) return times(STONE, 0.75);
  if (Math.abs(dx) < 0.028 && inside(y, 0.6, 0.66)) {
    if (lettering(NUMBER, x, y, 0.43, 0.637, 0.0024) < 0.003) return times(GOLD, 0.9);
    return plus(times(clearSky(0.45 - (y - 0.6)), 0.22), times(GLOW, 0.1));
  }
  const groove = Math.abs(Math.abs(dx) - 0.031) < 0.003 || Math.abs(y - 0.672) < 0.003 || Math.abs(y - 0.735) < 0.003;
  const knob = Math.hypot(dx - 0.034, y - 0.69) < 0.005;
  return knob ? GOLD : times(DOOR, groove ? 0.5 : 0.95);
}

/** The shop, or undefined beside it. */
export function house(x: number, y: number): Rgb | undefined {
  if (x > RIGHT || y > FOOT) return undefined;
  if (inside(y, 0.045, 0.118)) return x > LEFT + 0.5 * (0.118 - y) ? roof(x, y) : undefined;
  if (x < LEFT - 0.012 || y < 0.118) return undefined;
  if (y < 0.15)
    return times(STONE, y > 0.135 && Math.floor(x / 0.0115) % 2 ? 0.45 : 0.78 + 0.3 * Math.sin(110 * (y - 0.118)));
  if (x < LEFT) return undefined;
  const front = awning(x, y) ?? sign(x, y);
  if (front) return front;
  // Cornice, sign and awning keep the sun off what is below them.
  let light = 1 - 0.55 * smooth(0.185, 0.152, y);
  if (inside(x, 0.06, 0.52)) light *= 1 - 0.5 * smooth(0.66, 0.6, y) * smooth(0.5, 0.59, y);
  if (inside(x, 0.085, 0.5) && inside(y, 0.472, 0.484)) light *= 0.5;
  for (const centre of [0.125, 0.285, 0.445]) {
    const pane = window(x, y, centre);
    if (pane) return times(pane, light);
  }
  const lit = shop(x, y);
  if (lit) return times(lit, 0.55 + 0.45 * light);
  const entrance = door(x, y);
  if (entrance) return times(entrance, light);
  if (y > 0.715)
    return times(STONE, (0.55 + 0.3 * valueNoise(60 * x, 60 * y, 87)) * (Math.abs((x / 0.07) % 1) < 0.04 ? 0.6 : 1));
  const corner = x < LEFT + 0.028 && Math.floor(y / 0.027) % 2 === 0; // quoins
  return times(
    corner || x < LEFT + 0.018 ? times(STONE, 0.72 + 0.2 * valueNoise(70 * x, 70 * y, 89)) : bricks(x, y),
    light,
  );
}
