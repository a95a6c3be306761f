import type { Result } from "./run.ts";

const escaped = (s: string) => s.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

/** A page with one bar for each row: how much of the adapter's own peak it reaches. */
export function report(results: readonly Result[]): string {
  const { adapter, driver, commit, date, peak } = results[0] as Result;
  const rows = results.map(
    (r) => `<tr><th>${escaped(r.name)}<td>${r.median.toFixed(3)}<td>${r.gbs.toFixed(2)}<td>${r.gflops.toFixed(2)}
<td class=bar><i style="width:${Math.min(100, r.percent).toFixed(1)}%"></i><b>${r.percent ? `${r.percent.toFixed(0)} %` : ""}</b>`,
  );
  return `<!doctype html>
<html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width"><title>Proxel bench</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: normal }
td { text-align: right; padding: 1px 8px; font-variant-numeric: tabular-nums }
.bar { width: 40%; position: relative; text-align: left }
.bar i { display: inline-block; height: 1em; background: #4a7fb5; vertical-align: middle }
.bar b { font-weight: normal; margin-left: 6px; color: #666 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } .bar b { color: #aaa } }
</style>
<h1>Proxel bench</h1>
<p>${escaped(adapter)} (${escaped(driver)}), commit ${escaped(commit)}, ${escaped(date.slice(0, 10))}.
A plain copy reaches ${peak.copy.toFixed(1)} GB/s, a chain of fma ${peak.fma.toFixed(1)} GFLOP/s; bars are the share of that.</p>
<table><tr><th>row<td>ms<td>GB/s<td>GFLOP/s<td class=bar>of peak
${rows.join("\n")}
</table>
`;
}
