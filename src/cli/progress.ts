import { SingleBar } from "cli-progress";

export interface Progress {
  update(done: number, note?: string): void;
  stop(): void;
}

/** A bar with the time left, on stderr; a line now and then where stderr is not a terminal. */
export function progress(label: string, total: number, { quiet = false } = {}): Progress {
  if (quiet) return { update() {}, stop() {} };
  if (!process.stderr.isTTY) {
    let said = performance.now();
    return {
      update(done, note = "") {
        if (performance.now() - said < 10_000 && done < total) return;
        said = performance.now();
        console.error(`${label} ${done}/${total} ${note}`.trimEnd());
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

/** Aborts on Ctrl-C; a second one ends the process at once. `done` lets go of the signal. */
export function interruptible(): { signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
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
