import { expect, test } from "vitest";
import type { Line } from "../../src/cli/train_log.ts";
import { lossPage } from "../../src/cli/train_plot.ts";

const line = (step: number, loss: number, more: Partial<Line> = {}): Line => ({
  ...{ step, steps: 100, loss, norm: 1, lr: 1e-3, secondsPerStep: 0.5, seconds: step / 2, adapter: "a <b>" },
  ...more,
});
const paths = (page: string) =>
  [...page.matchAll(/<path class="(raw|soft) c\d" d="([^"]*)"/g)].map(([, , d]) => d ?? "");

test("the page stands by itself, falls with the loss, and asks to be loaded again while steps are left", () => {
  const page = lossPage("run & <co>", [line(1, 8), line(50, 2), line(99, 0.5)]);
  expect(page).not.toMatch(/<script|https?:|src=/);
  expect(page).toContain("run &amp; &lt;co&gt;");
  expect(page).toContain("Step 99 of 100: loss 0.5000");
  expect(page).toContain("a &lt;b&gt;");
  expect(page).toContain('http-equiv="refresh"');
  const [raw] = paths(page);
  const ys = [...(raw ?? "").matchAll(/ ([\d.]+)/g)].map(([, y]) => Number(y));
  expect(ys).toHaveLength(3);
  // downwards, and by equal factors equal ways
  expect((ys[1] as number) - (ys[0] as number)).toBeCloseTo((ys[2] as number) - (ys[1] as number), 0);
  expect(ys[1]).toBeGreaterThan(ys[0] as number);
  expect(lossPage("done", [line(100, 1)])).not.toContain("refresh");
});

test("a judge has a curve of its own; losses that are not numbers are left out; long runs are thinned", () => {
  const duel = lossPage("duel", [line(1, 1, { judgeLoss: 3 }), line(2, Number.NaN), line(3, 2, { judgeLoss: 1 })]);
  expect(paths(duel)).toHaveLength(4);
  expect(duel).toContain(">judge</text>");
  for (const d of paths(duel)) expect(d).not.toMatch(/NaN|Infinity/);
  const long = lossPage(
    "long",
    Array.from({ length: 20_000 }, (_, i) => line(i + 1, 1 / (i + 1), { steps: 20_000 })),
  );
  expect((paths(long)[0] as string).split("L").length).toBeLessThanOrEqual(1500);
  expect(long.length).toBeLessThan(100_000);
  for (const few of [[], [line(1, Number.NaN)], [line(1, 0)], [line(1, -2), line(2, -2)]])
    expect(lossPage("few", few)).not.toMatch(/NaN [\d-]|[ML]NaN|Infinity/);
  expect(lossPage("none", [])).toContain("No step has been reported yet.");
  const numbers = lossPage("scalars", [line(1, 1, { scalars: { tau: 0.123456 } })]);
  expect(numbers).toContain("tau 0.1235");
});
