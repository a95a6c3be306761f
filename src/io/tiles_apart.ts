import { startWorker } from "#platform";
import { ProxelError } from "../errors.ts";
import { openTiles, type TileSpec } from "./open_tiles.ts";
import type { Answer, Ask } from "./tile_service.ts";
import { checkTile, type TileSource } from "./tiles.ts";

/** Another thread, seen from here. It does not keep the process alive but while it is busy. */
export interface WorkerEnd {
  send(message: unknown): void;
  busy(yes: boolean): void;
  end(): void;
}
export interface WorkerEars {
  heard(message: unknown): void;
  /** Nothing more will be heard. */
  failed(why: string): void;
}

type Question = Ask extends infer A ? (A extends { id: number } ? Omit<A, "id"> : never) : never;
type Settle = { resolve(answer: Answer): void; reject(error: Error): void };
const KINDS: Readonly<Record<string, new (message: string) => Error>> = { RangeError, TypeError };

function conversation() {
  const waiting = new Map<number, Settle>();
  let asked = 0;
  let over: ProxelError | undefined;
  const worker: WorkerEnd = startWorker("tile_worker", {
    heard(message) {
      const answer = message as Answer;
      const { resolve, reject } = waiting.get(answer.id) as Settle;
      waiting.delete(answer.id);
      if (!waiting.size) worker.busy(false);
      if (!("error" in answer)) return resolve(answer);
      const { name, message: words } = answer.error;
      reject(new (KINDS[name] ?? ProxelError)(words));
    },
    failed(why) {
      over ??= new ProxelError(`tiles: their worker ended: ${why}`);
      for (const { reject } of waiting.values()) reject(over);
      waiting.clear();
    },
  });
  return {
    ask: (question: Question): Promise<Answer> =>
      new Promise((resolve, reject) => {
        if (over) return reject(over);
        waiting.set(++asked, { resolve, reject });
        worker.busy(true);
        worker.send({ ...question, id: asked });
      }),
    end: () => worker.end(),
  };
}

export interface TilesApart extends Disposable {
  readonly sources: readonly TileSource[];
  /** Why they are read on this thread after all, if they are. */
  readonly reason?: string;
}

/**
 * Sources whose tiles are read, decoded and drawn on another thread: the same tiles, and the same errors. Where there is
 * no worker they are opened here, and `reason` says why. `using`, or disposing of it, ends the worker.
 */
export async function openTilesApart(specs: readonly TileSpec[]): Promise<TilesApart> {
  let talk: ReturnType<typeof conversation>;
  try {
    talk = conversation();
  } catch (error) {
    const reason = (error as Error).message;
    return { sources: await Promise.all(specs.map(openTiles)), reason, [Symbol.dispose]() {} };
  }
  try {
    const sources = await Promise.all(specs.map((open) => sourceApart(talk, open)));
    return { sources, [Symbol.dispose]: talk.end };
  } catch (error) {
    talk.end();
    throw error;
  }
}

async function sourceApart({ ask }: ReturnType<typeof conversation>, open: TileSpec): Promise<TileSource> {
  const opened = (await ask({ open })) as Extract<Answer, { source: number }>;
  const source: TileSource = {
    ...opened.facts,
    async tile(i, out) {
      checkTile(source, i, out);
      const { bytes } = (await ask({ source: opened.source, tile: i })) as Extract<Answer, { bytes: Uint8Array }>;
      out.set(bytes);
    },
  };
  return source;
}
