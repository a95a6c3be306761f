// A contact sheet: pictures in a labelled grid, one row a task, one caption a row. Drawn on whole pixels, so that the
// pictures in it are theirs to the last bit and the letters are crisp.

import { GAP, strokeDistance, textStrokes } from "./font.ts";
import { type Picture, toRgb } from "./picture.ts";

export interface SheetRow {
  /** Left of the caption, dark: the task. */
  label: string;
  /** After it, lighter: "measurement 21.30 dB → 27.85 dB". */
  caption?: string;
  /** In place of the caption, one under each picture: "21.30 dB"; the first stands after the label. */
  under?: string[];
  pictures: Picture[];
}

interface SheetOptions {
  /** Over the columns. */
  columns?: string[];
  title?: string;
  /** Small pictures are enlarged by whole factors until a tile is at least this wide. */
  tile?: number;
}

type Colour = [number, number, number];
const PAPER: Colour = [0.965, 0.961, 0.949];
const INK: Colour = [0.13, 0.15, 0.19];
const PALE: Colour = [0.43, 0.45, 0.49];
const MARGIN = 28;
const GUTTER = 12;

/** One line of text; `size` is the height of its capitals in pixels, (x, y) the left end of its base line. */
export function drawText(
  p: Picture,
  text: string,
  {
    x,
    y,
    size = 9,
    colour = INK,
    weight = 0.15,
  }: { x: number; y: number; size?: number; colour?: Colour; weight?: number },
): void {
  const scale = size / 10;
  const half = (weight * size) / 2;
  let pen = 0;
  for (const letter of text) {
    const { strokes, width } = textStrokes(letter);
    // Each letter starts on a whole pixel's centre: upright strokes then fill columns instead of straddling two.
    const left = Math.round(x + pen * scale) + 0.5;
    const base = Math.round(y) - 0.5;
    const [x0, x1] = [Math.floor(left - 2 * scale - 2), Math.ceil(left + (width + 2) * scale + 2)];
    const [y0, y1] = [Math.floor(base - 11 * scale - 2), Math.ceil(base + 4 * scale + 2)];
    for (let j = Math.max(0, y0); j <= Math.min(p.height - 1, y1); j++)
      for (let i = Math.max(0, x0); i <= Math.min(p.width - 1, x1); i++) {
        const distance = scale * strokeDistance(strokes, (i + 0.5 - left) / scale, (base - j - 0.5) / scale);
        const cover = Math.max(0, Math.min(1, 0.5 + half - distance));
        for (let c = 0; c < 3; c++)
          p.data[3 * (j * p.width + i) + c] += cover * (2 * colour[c] - 1 - p.data[3 * (j * p.width + i) + c]);
      }
    pen += width + GAP;
  }
}

/** Width of a text in pixels. */
export function textWidth(text: string, size = 9): number {
  return (textStrokes(text).width * size) / 10;
}

function place(sheet: Picture, picture: Picture, left: number, top: number, zoom: number): void {
  const { width, height, data } = toRgb(picture);
  for (let y = 0; y < height * zoom; y++)
    for (let x = 0; x < width * zoom; x++) {
      const from = 3 * (Math.floor(y / zoom) * width + Math.floor(x / zoom));
      for (let c = 0; c < 3; c++)
        sheet.data[3 * ((top + y) * sheet.width + left + x) + c] = Math.max(-1, Math.min(1, data[from + c]));
    }
}

/** The whole sheet. Pictures may differ in size; each column is as wide as its widest. */
export function contactSheet(rows: SheetRow[], { columns = [], title = "", tile = 192 }: SheetOptions = {}): Picture {
  const all = rows.flatMap((row) => row.pictures);
  if (all.length === 0) throw new RangeError("contactSheet: expects at least one picture, got none");
  const zoom = Math.max(1, Math.ceil(tile / Math.max(...all.map((p) => p.width))));
  const count = Math.max(...rows.map((row) => row.pictures.length));
  const size = 9 + (Math.max(...all.map((p) => p.width)) * zoom > 400 ? 3 : 0);
  const [line, heading] = [Math.round(2.4 * size), title ? Math.round(4.6 * size) : 0];
  const widths = Array.from(
    { length: count },
    (_, k) => zoom * Math.max(...rows.map((row) => row.pictures[k]?.width ?? 0)),
  );
  const heights = rows.map((row) => zoom * Math.max(0, ...row.pictures.map((p) => p.height)));
  const lefts = widths.map((_, k) => MARGIN + widths.slice(0, k).reduce((sum, w) => sum + w + GUTTER, 0));
  // A caption may be longer than its pictures are wide.
  const text = ({ label, caption = "" }: SheetRow) => textWidth(`${label}    ${caption}`, size);
  const inner = Math.max(
    lefts[count - 1] + widths[count - 1] - MARGIN,
    ...rows.map((row) => Math.ceil(text(row))),
    Math.ceil(textWidth(title, 1.6 * size)),
  );
  const width = inner + 2 * MARGIN;
  // room for a row's words, where it has any, and to the next row
  const below = rows.map(({ label, caption, under }, r) => {
    const worded = Boolean(label || caption || under);
    const next = worded ? Math.round(0.7 * line) : GUTTER;
    return (worded ? Math.round(1.9 * line) : next) - (r === rows.length - 1 ? next : 0);
  });
  const height =
    2 * MARGIN + heading + (columns.length ? line : 0) + heights.reduce((sum, h, r) => sum + h + (below[r] ?? 0), 0);

  const sheet: Picture = {
    width,
    height,
    channels: 3,
    bits: 8,
    name: "contact sheet",
    data: new Float32Array(3 * width * height),
  };
  for (let i = 0; i < sheet.data.length; i++) sheet.data[i] = 2 * PAPER[i % 3] - 1;
  let top = MARGIN;
  if (title) drawText(sheet, title, { x: MARGIN, y: top + 1.6 * size, size: 1.6 * size });
  top += heading;
  for (const [k, name] of columns.entries())
    drawText(sheet, name, { x: lefts[k] ?? MARGIN, y: top + size, size, colour: PALE });
  if (columns.length) top += Math.round(0.85 * line);
  for (const [r, row] of rows.entries()) {
    for (const [k, picture] of row.pictures.entries()) place(sheet, picture, lefts[k], top, zoom);
    const base = top + heights[r] + Math.round(1.95 * size);
    drawText(sheet, row.label, { x: MARGIN, y: base, size, weight: 0.19 });
    const after = MARGIN + textWidth(row.label, size) + 1.4 * size;
    drawText(sheet, row.caption ?? row.under?.[0] ?? "", { x: after, y: base, size, colour: PALE });
    for (let k = 1; k < (row.under?.length ?? 0); k++)
      drawText(sheet, row.under?.[k] ?? "", { x: lefts[k] ?? MARGIN, y: base, size, colour: PALE });
    top += heights[r] + (below[r] ?? 0);
  }
  return sheet;
}
