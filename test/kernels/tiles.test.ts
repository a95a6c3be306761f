import { describe, expect, test } from "vitest";
import { tiles as tilesReference, untile as untileReference } from "../../kernels/tiles.reference.ts";
import { tiles, untile } from "../../kernels/tiles.ts";
import { vjp } from "../../src/autograd/vjp.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { expectClose } from "../lib/close.ts";
import { evaluate, withGpu } from "../lib/gpu.ts";
import { asF32, normals } from "../lib/random.ts";

withGpu();

type Case = [picture: [number, number, number, number], tile: number, stride: number];
const cases: Case[] = [
  [[1, 1, 1, 1], 1, 1],
  [[2, 7, 11, 3], 3, 2],
  [[1, 20, 12, 4], 8, 4],
  [[3, 9, 9, 8], 5, 1],
  [[1, 12, 12, 3], 4, 4],
];

describe.each(["f32", "f16"] as const)("in %s", (dtype) => {
  test.each(cases)("cuts %j into tiles of %i every %i, and adds them up", async (picture, tile, stride) => {
    const x = asF32(
      normals(
        picture.reduce((a, b) => a * b),
        2,
      ),
    );
    const cut = tilesReference(x, picture, tile, stride);
    const out = await evaluate(() => {
      const t = tiles(tensor(picture, x, dtype), { tile, stride });
      const { pullback } = vjp((p) => tiles(p, { tile, stride }), tensor(picture, x, dtype));
      const back = vjp((p) => untile(p, picture, { tile, stride }), t);
      return {
        t,
        sum: untile(t, picture, { tile, stride }),
        dx: pullback(t)[0],
        dt: back.pullback(tensor(picture, x, dtype))[0],
      };
    });
    const l2 = dtype === "f32" ? 1e-6 : 2e-3;
    expectClose(out.t, cut, { l2 });
    expectClose(out.sum, untileReference(cut, picture, tile, stride), { l2 });
    // each is the other's adjoint
    expectClose(out.dx, untileReference(cut, picture, tile, stride), { l2 });
    expectClose(out.dt, cut, { l2 });
  });
});

test("refuses a picture that the tiles do not cover", async () => {
  await evaluate(() => {
    expect(() => tiles(tensor([1, 5, 5, 1], new Float32Array(25)), { tile: 4, stride: 3 })).toThrow(
      "do not cover [1,5,5,1] exactly",
    );
    return [];
  });
});
