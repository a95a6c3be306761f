/** The page that `npm run build` makes, in Chromium: it restores a picture of 64 x 64 to the end, and says what is wrong. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { decodePicture, encodePicture } from "../../src/io/platform.node.ts";
import { scene } from "../../src/io/scene.ts";
import { ROOT } from "./bundle.ts";
import { findChromium, HOW, launch } from "./chromium.ts";
import { type Server, serve } from "./serve.ts";

const chromium = findChromium();
if (!chromium) console.log(`skipped: the page: ${HOW}`);

describe.skipIf(!chromium)("the page", () => {
  const shots = mkdtempSync(join(tmpdir(), "proxel-web-"));
  let browser: Browser;
  let server: Server;
  let page: Page;
  let wrong: string[];

  beforeAll(async () => {
    execFileSync(process.execPath, [join(ROOT, "src/build/build.mjs"), "--web"], { stdio: "inherit" });
    server = await serve(new Map(), join(ROOT, "dist/web"));
    browser = await launch(chromium as string);
  });
  afterEach(async () => {
    await page.close();
    expect(wrong, "what the console says").toEqual([]);
  });
  afterAll(async () => {
    console.log(`screenshots: ${shots}`);
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  async function open(before?: () => void): Promise<void> {
    page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    wrong = [];
    page.on("pageerror", (error) => wrong.push(error.message));
    page.on("console", (message) => message.type() === "error" && wrong.push(message.text()));
    if (before) await page.addInitScript(before);
    await page.goto(server.url);
    await page.getByText("scene, 256 × 256").waitFor();
  }
  const give = async (name: string, buffer: Uint8Array) =>
    page.setInputFiles("#file", { name, mimeType: "image/png", buffer: Buffer.from(buffer) });
  const sample = () => encodePicture(scene({ width: 64, height: 64 }), "png");
  const choose = (value: string) => page.locator(`label:has(> input[value="${value}"])`).click();
  const caption = async () => (await page.textContent("#caption")) ?? "";
  const decibels = async (id: string) => Number.parseFloat((await page.textContent(id)) ?? "");
  const pixels = () => page.evaluate(() => (document.getElementById("view") as HTMLCanvasElement).toDataURL());
  const settled = () =>
    page.waitForFunction(
      () => /^(Done|Stopped|Not restored)/.test(document.getElementById("caption")?.textContent ?? ""),
      null,
      {
        timeout: 200_000,
      },
    );

  test("deblurs a sample of 64 x 64: PSNR rises, the view compares, the file is saved", async () => {
    await open();
    await give("sample.png", await sample());
    await page.getByText("sample.png, 64 × 64.").waitFor();
    await page.getByText("More", { exact: true }).click();
    await page.fill("#steps", "8");
    await page.fill("#blur", "1.5");
    await page.click("#go");
    await page.getByText(/^Step 2 of 8/).waitFor({ timeout: 100_000 });
    await page.screenshot({ path: join(shots, "step-2.png") });
    await settled();
    expect(await caption()).toMatch(/^Done: 8 steps in/);
    await page.screenshot({ path: join(shots, "deblurred.png"), fullPage: true });
    const [before, after] = [await decibels("#psnr-before"), await decibels("#psnr-after")];
    console.log(`the page: deblur 64 x 64, ${before} -> ${after} dB; ${await caption()}`);
    expect(after).toBeGreaterThan(before + 0.5);

    const fitted = await pixels();
    await page.click("#zoom-in");
    await expect.poll(pixels).not.toBe(fitted);
    await page.click("#zoom-fit");
    await expect.poll(pixels).toBe(fitted);
    await page.click("#truth");
    await expect.poll(pixels).not.toBe(fitted);

    const saved = page.waitForEvent("download");
    await page.click("#save");
    const download = await saved;
    expect(download.suggestedFilename()).toBe("sample-restored.png");
    const picture = await decodePicture(readFileSync(await download.path()), "saved");
    expect([picture.width, picture.height, picture.channels]).toEqual([64, 64, 3]);
  });

  test("denoises what it is given as it is, and stops when told to", async () => {
    await open();
    await give("sample.png", await sample());
    await choose("denoise");
    await choose("measured");
    await page.click("#go");
    await settled();
    expect(await caption()).toMatch(/^Done: one step in .* Noise estimated at 0\.\d+\.$/);
    expect(await page.isVisible("#figures"), "no truth, no PSNR").toBe(false);
    await choose("deblur");
    await page.click("#go");
    await page.click("#stop");
    await settled();
    expect(await caption()).toMatch(/^Stopped/);
    expect(await page.isEnabled("#go")).toBe(true);
  });

  test("says so when a file is no picture, and when a mask is missing", async () => {
    await open();
    await give("notes.txt", new TextEncoder().encode("not a picture at all"));
    await page.waitForSelector("#alert:not([hidden])");
    expect(await page.textContent("#alert")).toMatch(/^notes\.txt: expected a /);
    await page.selectOption("#size", "128");
    await choose("inpaint");
    await choose("measured");
    await page.click("#go");
    await settled();
    expect(await page.textContent("#alert")).toBe("inpaint: which pixels are known? give a mask (white = known)");
  });

  test("says so in a browser without WebGPU, and fits a phone", async () => {
    await open(() => Object.defineProperty(navigator, "gpu", { value: undefined }));
    expect(await page.textContent("#alert")).toMatch(/^openGpu: this browser has no WebGPU; use a current /);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await choose("inpaint");
    await choose("measured");
    const wide = await page.evaluate(() =>
      [...document.querySelectorAll("fieldset")].filter((f) => f.scrollWidth > f.clientWidth).map((f) => f.textContent),
    );
    expect(wide, "wider than the form").toEqual([]);
    await page.screenshot({ path: join(shots, "phone.png"), fullPage: true });
  });
});
