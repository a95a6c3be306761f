import { describe, expect, it } from "vitest";
import { formatNpy, type NpyArray, parseNpy } from "../../src/io/npy.ts";

// Written by numpy: np.lib.format.write_array(f, arr, version=...), a = np.arange(6).reshape(2, 3)
const pad = (text: string, total: number) => {
  const bytes = new TextEncoder().encode(text);
  return [...bytes, ...new Array(total - bytes.length - 1).fill(32), 10];
};
/** The header numpy writes, padded to 128 bytes in all. */
function file(descr: string, fortran: boolean, shape: string, data: number[] | ArrayBuffer, version = 1): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }`;
  const head = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0, ...(version === 1 ? [118, 0] : [116, 0, 0, 0])];
  return Uint8Array.from([
    ...head,
    ...pad(text, 128 - head.length),
    ...(data instanceof ArrayBuffer ? new Uint8Array(data) : data),
  ]);
}
const fromBase64 = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));

describe("parseNpy", () => {
  it("reads big-endian f8 in Fortran order", () => {
    const view = new DataView(new ArrayBuffer(48));
    [0, 3, 1, 4, 2, 5].forEach((v, i) => {
      view.setFloat64(8 * i, -1.25 * v, false);
    });
    const array = parseNpy(file(">f8", true, "(2, 3)", view.buffer));
    expect(array.dtype).toBe("f64");
    expect([...array.data]).toEqual([-0, -1.25, -2.5, -3.75, -5, -6.25]);
  });
  it("reads files that numpy wrote", () => {
    // a + 1j (10 + a), '<c8', Fortran order, version 1
    const c8 = parseNpy(
      fromBase64(
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGM4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAgQQAAQEAAAFBBAACAPwAAMEEAAIBAAABgQQAAAEAAAEBBAACgQAAAcEE=",
      ),
    );
    expect(c8).toMatchObject({ dtype: "c64", shape: [2, 3] });
    expect([...c8.data]).toEqual([0, 10, 1, 11, 2, 12, 3, 13, 4, 14, 5, 15]);
    // the same, '>c8', C order, version 2
    const swapped = parseNpy(
      fromBase64(
        "k05VTVBZAgB0AAAAeydkZXNjcic6ICc+YzgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAQSAAAD+AAABBMAAAQAAAAEFAAABAQAAAQVAAAECAAABBYAAAQKAAAEFwAAA=",
      ),
    );
    expect([...swapped.data]).toEqual([...c8.data]);
    // np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype('>i4'))
    const i4 = parseNpy(
      fromBase64(
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPmk0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAADAAAAAQAAAAQAAAACAAAABQAAAABAAAADQAAAAUAAAARAAAACQAAABUAAAACAAAADgAAAAYAAAASAAAACgAAABYAAAADAAAADwAAAAcAAAATAAAACwAAABc=",
      ),
    );
    expect(i4).toMatchObject({ dtype: "i32", shape: [2, 3, 4] });
    expect([...i4.data]).toEqual(Array.from({ length: 24 }, (_, i) => i));
    // (a - 2) * 10**12, '<i8'
    const i8 = parseNpy(
      fromBase64(
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoA4LVWLv7//wDwWisX////AAAAAAAAAAAAEKXU6AAAAAAgSqnRAQAAADDvfboCAAA=",
      ),
    );
    expect(i8.data[0]).toBe(-2_000_000_000_000n);
    // np.array(7, dtype='<i4')
    const scalar = parseNpy(
      fromBase64(
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoHAAAA",
      ),
    );
    expect(scalar).toMatchObject({ shape: [], dtype: "i32" });
    expect(scalar.data[0]).toBe(7);
  });
  it("reads version 3 and an array that starts off any boundary", () => {
    const bytes = file("|u1", false, "(6,)", [0, 1, 2, 3, 4, 5], 3);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect([...parseNpy(shifted.subarray(3)).data]).toEqual([0, 1, 2, 3, 4, 5]);
  });
  it("writes what it reads, data on a 64-byte boundary", () => {
    const arrays: NpyArray[] = [
      { dtype: "f32", shape: [2, 2], data: Float32Array.of(1, -2, 0.5, Number.NaN) },
      { dtype: "c64", shape: [1, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      { dtype: "f64", shape: [], data: Float64Array.of(Math.PI) },
      { dtype: "u8", shape: [0, 4], data: new Uint8Array(0) },
      { dtype: "i64", shape: [1], data: BigInt64Array.of(-(2n ** 62n)) },
    ];
    for (const array of arrays) {
      const bytes = formatNpy(array);
      expect((bytes.length - array.data.byteLength) % 64).toBe(0);
      expect(parseNpy(bytes)).toEqual(array);
    }
  });
  it("names the file and what is wrong", () => {
    const whole = formatNpy({ dtype: "f32", shape: [2, 2], data: new Float32Array(4) });
    expect(() => parseNpy(whole.subarray(0, whole.length - 1), "y.npy")).toThrow(
      /y\.npy: expected 16 bytes of data.*got 15/,
    );
    expect(() => parseNpy(whole.subarray(0, 50), "y.npy")).toThrow(/y\.npy: truncated in the \.npy header/);
    expect(() => parseNpy(whole.subarray(0, 8), "y.npy")).toThrow(/truncated/);
    expect(() => parseNpy(new Uint8Array(0), "y.npy")).toThrow(/an empty file/);
    expect(() => parseNpy(new Uint8Array(99), "y.npy")).toThrow(/expected a NumPy/);
    expect(() => parseNpy(file("|O", false, "(1,)", [0]), "y.npy")).toThrow(/got "\|O"/);
    expect(() => parseNpy(file("<f2", false, "(1,)", [0, 0]), "y.npy")).toThrow(/expected dtype/);
    expect(() => formatNpy({ dtype: "c64", shape: [2], data: new Float32Array(2) })).toThrow(/expects 4 numbers/);
  });
});
