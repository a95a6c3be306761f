import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatNpy, parseNpy } from "../../src/io/npy.ts";
import { decodePicture } from "../../src/io/platform.node.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../fixtures/${name}`, import.meta.url)));
const numbers = Array.from({ length: 24 }, (_, i) => i);

test.each([
  ["f4.npy", "f32", numbers.map((n) => n / 8 - 1)],
  ["f8_big_endian_fortran.npy", "f64", numbers.map((n) => n / 8 - 1)],
  ["c8.npy", "c64", numbers.flatMap((n) => [n, 100 - n])],
  ["u1.npy", "u8", numbers.map((n) => 10 * n)],
] as const)("reads %s as numpy wrote it", (name, dtype, data) => {
  const array = parseNpy(fixture(name), name);
  expect(array).toMatchObject({ dtype, shape: [2, 3, 4] });
  expect([...array.data]).toEqual(data);
});

test("writes the bytes that numpy writes", () => {
  for (const name of ["f4.npy", "c8.npy", "u1.npy"])
    expect(formatNpy(parseNpy(fixture(name))), name).toEqual(fixture(name));
});

test.each(["turned.jpg", "turned.png"])("stands up %s, which Pillow marked as turned", async (name) => {
  const { width, height, channels, data } = await decodePicture(fixture(name), name);
  expect([width, height, channels]).toEqual([16, 24, 3]);
  const at = (y: number, x: number) => [...data.slice((y * 16 + x) * 3, (y * 16 + x) * 3 + 3)].map(Math.round);
  for (const x of [0, 15]) {
    for (const y of [0, 11]) expect(at(y, x), `${y}, ${x}`).toEqual([1, -1, -1]);
    for (const y of [12, 23]) expect(at(y, x), `${y}, ${x}`).toEqual([-1, -1, 1]);
  }
});
