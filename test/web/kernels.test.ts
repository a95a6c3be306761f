/** The kernel tests of Node and one of training, from the same files, in Chromium on its software adapter (f32 only, and slow). */
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, describe, expect, test } from "vitest";
import { bundle, ROOT } from "./bundle.ts";
import { findChromium, HOW, launch } from "./chromium.ts";
import type { Listed, Outcome } from "./in_page/run.ts";
import { serve } from "./serve.ts";

const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/test/web/in_page/run.js"></script>`;
const chromium = findChromium();
const kernels = readdirSync(join(ROOT, "test/kernels")).filter((name) => name.endsWith(".test.ts"));
const files = [...kernels.map((name) => `test/kernels/${name}`), "test/train/own_pictures.test.ts"];
const stemOf = (file: string) => basename(file).split(".")[0] as string;

if (!chromium) {
  console.log(`skipped: ${HOW}`);
  for (const file of files) test.skip(`${stemOf(file)}: ${HOW}`, () => {});
} else {
  const modules = new Map<string, Uint8Array | string>(await bundle(files));
  modules.set("index.html", PAGE);
  const server = await serve(modules);
  const browser = await launch(chromium);
  const skipped = new Map<string, number>();
  afterAll(async () => {
    for (const [note, count] of skipped)
      console.log(`${count} tests skipped in Chromium ${browser.version()}: ${note}`);
    await browser.close();
    await server[Symbol.asyncDispose]();
  });
  const page = await open(browser, server.url);
  const listed = await page.evaluate(
    (paths) => listTests(paths),
    files.map((name) => `/${name.replace(/ts$/, "js")}`),
  );
  await page.close();
  for (const file of listed) declare(file, () => open(browser, server.url), skipped);
}

async function open(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") console.log(`Chromium: ${message.text()}`);
  });
  await page.goto(url, { waitUntil: "load" });
  return page;
}

/** Gives vitest the tests of a file under their own names. The first to be asked for runs the file in a page of its own. */
function declare({ file, error, tests }: Listed, fresh: () => Promise<Page>, skipped: Map<string, number>): void {
  const outcomes = new Map(tests.map(({ id }) => [id, deferred<Outcome>()]));
  let page: Page | undefined;
  const begin = async () => {
    const fail = (reason: Error) => {
      for (const { reject } of outcomes.values()) reject(reason);
    };
    page = await fresh();
    page.on("crash", () => fail(new Error("the page crashed")));
    await page.exposeFunction("finished", (outcome: Outcome) => outcomes.get(outcome.id)?.resolve(outcome));
    page.evaluate((path) => runTests(path), file).catch(fail);
  };
  describe(stemOf(file), () => {
    if (error) test("loads", () => expect.fail(error));
    let begun: Promise<void> | undefined;
    for (const { id, name, skip } of tests)
      test.skipIf(skip)(name, async (context) => {
        await (begun ??= begin());
        const { state, note, message } = await (outcomes.get(id) as ReturnType<typeof deferred<Outcome>>).promise;
        if (state === "fail") expect.fail(message);
        if (state === "pass") return;
        const reason = note ?? "its file says so";
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
        context.skip(reason);
      });
    afterAll(() => page?.close());
  });
}

function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => {}); // reported where it is awaited
  return { promise, resolve, reject };
}
