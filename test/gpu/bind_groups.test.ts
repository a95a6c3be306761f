import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { lincomb } from "../../kernels/lincomb.ts";
import { gpu } from "../../src/gpu/open.ts";
import { scope } from "../../src/tensor/scope.ts";
import { Tensor, tensor } from "../../src/tensor/tensor.ts";
import { withGpu } from "../lib/gpu.ts";

withGpu();

test("more bind groups than a process has memory mappings: they are let go of in time", async () => {
  const [count, apart] = [280, 64]; // numbers from one view to the next, 256 bytes
  const x = tensor(
    [count * apart],
    Float32Array.from({ length: count * apart }, (_, i) => i),
  );
  const view = (i: number) => new Tensor([4], "f32", x.storage, 4 * apart * i);
  let most = 0;
  let last: Tensor | undefined;
  for (let i = 0; i < count; i++) {
    last?.dispose();
    last = scope(() => {
      let y: Tensor | undefined;
      for (let j = 0; j < count; j++) y = lincomb(1, view(i), 2, view(j));
      return y as Tensor;
    });
    if (i % 20 === 0) {
      await gpu().idle();
      if (existsSync("/proc/self/maps"))
        most = Math.max(most, readFileSync("/proc/self/maps", "utf8").split("\n").length);
    }
  }
  const [a, b] = [apart * (count - 1), 2 * apart * (count - 1)];
  expect([...(await (last as Tensor).read())]).toEqual([0, 1, 2, 3].map((k) => a + b + 3 * k));
  console.log(`at most ${most} mappings`);
  expect(most).toBeLessThan(25_000);
  last?.dispose();
  x.dispose();
});
