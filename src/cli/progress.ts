import { SingleBar } from "cli-progress";

export interface Progress {
  update(done: number, note?: string): void;
  stop(): void;
}

/** A bar with the time left, on stderr; a line now and then where stderr is not a terminal. */
export function progress(label: string, total: number, { quiet = false } = {}): Progress {
  if (quiet) return { update() {}, stop() {} };
  if (!process.stderr.isTTY) {
    const began = performance.now();
    let first: { done: number; at: number } | undefined;
    let said = began;
    return {
      update(done, note = "") {
        const now = performance.now();
        first ??= { done, at: now };
        if (now - said < 10_000 || done >= total) return;
        said = now;
        // what one step took: since the first report, where there is a second
        const each = done > first.done ? (now - first.at) / (done - first.done) : (now - began) / Math.max(1, done);
        console.error(
          `${label} ${done}/${total} ${note} left ${clock((each * (total - done)) / 1000)}`.replace(/ +/g, " "),
        );
      },
      stop() {},
    };
  }
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total} {note} left {eta_formatted}`,
    stream: process.stderr,
    hideCursor: true,
    barsize: 24,
    etaBuffer: 20,
  });
  bar.start(total, 0, { note: "" });
  return { update: (done, note = "") => bar.update(done, { note }), stop: () => bar.stop() };
}

/** 75 -> 1:15 */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  return s < 3600
    ? `${Math.floor(s / 60)}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/**
 * Aborts on Ctrl-C; a second one ends the process at once, and so do `patience` milliseconds of it still running, since
 * one call of the network may take long. Files are written in one go, so none is left in halves. `done` lets go.
 */
export function interruptible({ patience = 2000 } = {}): { signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    if (!Number.isFinite(patience)) return;
    setTimeout(() => {
      console.error("interrupted");
      process.exit(130);
    }, patience).unref();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    done() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
