// `proxel eval`: the table of every solver on every task, and that it goes on where it was stopped.
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { page } from "../../src/cli/eval_page.ts";
import { spread, timePlot } from "../../src/cli/eval_plot.ts";
import { openJournal, type Row } from "../../src/cli/eval_rows.ts";
import { estimate, markdown, printed, quantile, summarise } from "../../src/cli/eval_summary.ts";
import { deadLeavesPicture } from "../../src/io/dead_leaves.ts";
import { writePicture } from "../../src/io/picture.ts";
import { folder, json, proxel, start } from "../lib/command.ts";

const images = folder();
beforeAll(async () => {
  for (const [name, side] of [
    ["a.png", 32],
    ["b <i>.png", 36],
  ] as const) {
    const data = deadLeavesPicture(7, side, side, side).map((v) => 2 * v - 1);
    await writePicture(join(images, name), { width: side, height: side, channels: 3, bits: 8, data });
  }
});
const common = (out: string, ...more: string[]) => [
  ...["eval", "--images", images, "--tasks", "sr4,jpeg", "--solvers", "diffpir,dps:3", "--steps", "2"],
  ...["--size", "32", "-o", out, ...more],
];
const rowsOf = (out: string): Row[] =>
  readFileSync(join(out, "rows.jsonl"), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => JSON.parse(line));
/** What is not time or memory. */
const figures = ({ seconds: _s, peakBytes: _p, ...row }: Row) => row;
const sorted = (rows: Row[]) => rows.map(figures).sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

test("two pictures, two tasks, two solvers; and again after the journal was cut", async () => {
  const out = join(folder(), "out");
  const first = await proxel(...common(out, "--json"));
  expect(first.code, first.stderr).toBe(0);
  expect(first.stderr).toMatch(/eval: 6 runs -> .*index\.html/);
  const { cells, settings } = json(first);
  // jpeg is not linear: diffpir does not take it
  expect(cells.map(({ task, solver, pictures }: Record<string, unknown>) => `${task} ${solver} ${pictures}`)).toEqual([
    "sr4 diffpir 2",
    "sr4 dps:3 2",
    "jpeg10 dps:3 2",
  ]);
  expect(settings).toMatchObject({ noise: 0.025, seed: 0, size: 32, lpips: null });
  const rows = rowsOf(out);
  expect(rows).toHaveLength(6);
  for (const row of rows) {
    expect(row).toMatchObject({ width: 32, height: 32, lpips: null });
    expect([row.steps, row.nfe, row.nbe]).toEqual(row.solver === "diffpir" ? [2, 2, 0] : [3, 3, 3]);
    for (const v of [row.psnr, row.ssim, row.chi2, row.residual]) expect(Number.isFinite(v)).toBe(true);
    expect(row.residual / 0.05 ** 2 / (row.chi2 as number)).toBeCloseTo(1, 3);
    expect(row.peakBytes).toBeGreaterThan(1e6);
  }
  const [mean] = cells.map((cell: { figures: { psnr: { mean: number } } }) => cell.figures.psnr.mean);
  const two = rows
    .filter(({ task, solver }) => task === "sr4" && solver === "diffpir")
    .map(({ psnr }) => psnr as number);
  expect(mean).toBeCloseTo(((two[0] as number) + (two[1] as number)) / 2, 6);
  expect(readdirSync(join(out, "pictures")).sort()).toEqual(["a_png", "b__i__png"]);
  expect(readdirSync(join(out, "pictures/a_png")).sort()).toEqual(
    ["jpeg10.dps-3", "jpeg10.measured", "jpeg10.truth", "sr4.diffpir", "sr4.dps-3", "sr4.measured", "sr4.truth"].map(
      (name) => `${name}.png`,
    ),
  );
  const html = readFileSync(join(out, "index.html"), "utf8");
  expect(html).toContain("b &lt;i&gt;.png");
  expect(html).not.toContain("<i>");
  for (const [, source] of html.matchAll(/src="([^"]+)"/g)) expect(existsSync(join(out, source as string))).toBe(true);
  expect(readFileSync(join(out, "table.md"), "utf8")).toMatch(
    /## sr4[\s\S]*\| diffpir \|[\s\S]*## jpeg10[\s\S]*\| dps:3 \|/,
  );

  // the last row cut in two, as a crash may leave it
  const path = join(out, "rows.jsonl");
  const text = readFileSync(path, "utf8");
  truncateSync(path, text.lastIndexOf("\n", text.length - 2) + 40);
  const again = await proxel(...common(out));
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toMatch(/eval: 6 runs/);
  const kept = readFileSync(path, "utf8").split("\n");
  expect(kept.slice(0, 6)).toEqual(text.split("\n").slice(0, 6)); // done once, not again
  expect(sorted(rowsOf(out))).toEqual(sorted(rows)); // and the one done again is the same

  // one picture and one solver more are added; others' settings are not
  const more = await proxel(...common(out, "--tasks", "sr4", "--solvers", "denoise", "--limit", "1"));
  expect(more.code, more.stderr).toBe(0);
  expect(rowsOf(out)).toHaveLength(7);
  expect(readFileSync(join(out, "table.md"), "utf8")).toMatch(/\| denoise \|[\s\S]*\| diffpir \|[\s\S]*## jpeg10/);
  const other = await proxel(...common(out, "--noise", "0.1"));
  expect(other.code).toBe(2);
  expect(other.stderr).toMatch(/made with noise 0\.025, not 0\.1; give the same again, or another folder/);
});

test("Ctrl-C keeps what is done, and the same command goes on", async () => {
  const out = join(folder(), "out");
  const args = common(out).map((arg) =>
    arg === "diffpir,dps:3" ? "diffpir:2,ddnm:3000" : arg === "sr4,jpeg" ? "sr4" : arg,
  );
  const child = start(args);
  const code = new Promise((done) => child.on("close", done));
  while (!existsSync(join(out, "rows.jsonl")) || rowsOf(out).length < 2) {
    await new Promise((next) => setTimeout(next, 100));
    expect(child.exitCode).toBe(null);
  }
  await new Promise((next) => setTimeout(next, 500));
  child.kill("SIGINT");
  expect(await code).toBe(130);
  expect(rowsOf(out)).toHaveLength(2);
  const quick = await proxel(...args.map((arg) => arg.replace("ddnm:3000", "ddnm:2")));
  expect(quick.code, quick.stderr).toBe(0);
  expect(rowsOf(out)).toHaveLength(4);
});

test.each([
  [["--tasks", "sr4,blurr"], /--tasks expects one of denoise, gaussian, .*got blurr/],
  [["--solvers", "dpss"], /--solvers expects one of .*got dpss; did you mean dps\?/],
  [["--tasks", "phase", "--solvers", "diffpir"], /none of these solvers takes these tasks/],
  [["--images", join(images, "none")], /none/],
  [["--size", "64"], /--size 64 is larger than the picture/],
  [["--solvers", ""], /say which: --solvers/],
])("%j is refused in a line", async (more, message) => {
  const ran = await proxel(...common(join(folder(), "out"), ...more));
  expect(ran.code).toBe(2);
  expect(ran.stderr.trim().split("\n").at(-1)).toMatch(message);
});

describe("the table", () => {
  const row = (solver: string, picture: string, psnr: number | null, more: Partial<Row> = {}): Row => ({
    ...{ task: "box", solver, picture, psnr, width: 8, height: 8, steps: 1, ssim: 0.5, lpips: null, residual: 1e-3 },
    ...{ chi2: 1, seconds: solver === "dps" ? 2 : 1, nfe: 9, nbe: 0, peakBytes: 2 ** 20 },
    ...more,
  });
  const rows = [
    ...[row("dps", "a", 20), row("dps", "b", 22), row("dps", "c", 27)],
    ...[row("daps", "a", 25), row("daps", "b", null, { error: "x | y" })],
  ];
  const cells = summarise(rows, ["box"], ["dps", "daps", "none"]);
  test("holds means, Student's intervals, and failures apart", () => {
    expect(cells.map(({ solver, pictures, failed }) => [solver, pictures, failed])).toEqual([
      ["dps", 3, 0],
      ["daps", 1, 1],
    ]);
    // deviation sqrt(13), t = 4.303, n = 3
    expect(cells[0]?.figures.psnr).toEqual({
      mean: 23,
      interval: expect.closeTo((4.303 * Math.sqrt(13)) / Math.sqrt(3), 9),
    });
    expect(cells[1]?.figures.psnr).toEqual({ mean: 25, interval: null });
    expect(cells[0]?.figures.lpips).toBe(null);
    expect(estimate([null, Number.NaN])).toBe(null);
    expect(printed({ mean: 1.2345, interval: 0.2 }, 2)).toBe("1.23 ± 0.20");
    expect(printed({ mean: 1.2345, interval: 0.001 }, 2)).toBe("1.23");
    for (const [degrees, want] of [
      [30, 2.0423],
      [40, 2.0211],
      [120, 1.9799],
    ] as const)
      expect(quantile(degrees)).toBeCloseTo(want, 3);
  });
  test("as Markdown, as a plot and as a page", () => {
    const text = markdown(cells, [{ name: "box", about: "hidden" }], "foot");
    expect(text).toContain("| solver | PSNR (dB) | SSIM |");
    expect(text).toContain("| daps | 25.00 |"); // of one picture only
    expect(text).toContain("| dps | **23.00 ± 8.96** |");
    expect(text).toContain("1 failed: x \\| y");
    const plot = timePlot(cells, "q & t");
    expect(plot).toContain("q &amp; t");
    expect(plot.match(/<circle/g)).toHaveLength(2);
    expect(plot).not.toMatch(/NaN|Infinity|undefined/);
    expect(timePlot(cells.slice(0, 1), "")).toBe("");
    const lost = summarise([...rows, row("denoise", "a", 5)], ["box"], ["dps", "daps", "denoise"]);
    expect(timePlot(lost, "")).toMatch(/class="below" cx="[\d.]+" cy="260.0"[^>]*><text[^>]*>denoise \(5\.0\)/);
    const report = {
      title: "T",
      facts: [],
      tasks: [{ name: "box", about: "hidden" }],
      solvers: ["dps", "daps"],
      pictures: ["a", "b"],
    };
    const html = page({ ...report, cells, rows, path: (...parts) => parts.join("/") });
    expect(html).toContain('src="a/box/dps"');
    expect(html).toContain('src="b/box/truth"');
    expect(html).not.toContain('src="b/box/daps"'); // it failed
  });
  test("labels of a plot keep their distance and the frame", () => {
    expect(spread([10, 11, 50], 13, 0, 100)).toEqual([10, 23, 50]);
    expect(spread([99, 98], 13, 0, 100)).toEqual([100, 87]);
  });
});

test("settings bind from the first row on", async () => {
  const dir = folder();
  await openJournal(dir, { noise: 1 });
  const journal = await openJournal(dir, { noise: 2 }); // nothing was done yet
  await journal.add({ picture: "a", task: "box", solver: "dps" } as Row);
  expect(journal.has({ picture: "a", task: "box", solver: "dps" })).toBe(true);
  await expect(openJournal(dir, { noise: 3 })).rejects.toThrow(/made with noise 2, not 3/);
  expect((await openJournal(dir, { noise: 2 })).rows).toHaveLength(1);
});

test("a journal of something else is left alone", async () => {
  const dir = folder();
  writeFileSync(join(dir, "rows.jsonl"), '{"step":1}\n');
  await expect(openJournal(dir, { noise: 1 })).rejects.toThrow(/no journal of eval/);
  expect(readFileSync(join(dir, "rows.jsonl"), "utf8")).toBe('{"step":1}\n');
});
