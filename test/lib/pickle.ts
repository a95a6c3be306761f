/** Assembles pickles for tests from opcodes and the arguments they take. */
export const bytes = (...parts: (number | string | Uint8Array)[]): Uint8Array => {
  const flat = parts.flatMap((part) =>
    typeof part === "number" ? [part] : typeof part === "string" ? [...new TextEncoder().encode(part)] : [...part],
  );
  return Uint8Array.from(flat);
};
export const u32 = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);
export const text = (s: string): Uint8Array => bytes(0x8c, new TextEncoder().encode(s).length, s);
export const global = (module: string, name: string): Uint8Array => bytes("c", module, "\n", name, "\n");
export const int = (n: number): Uint8Array => bytes("J", u32(n));
export const tuple = (...items: Uint8Array[]): Uint8Array => bytes("(", ...items, "t");
export const dict = (...pairs: [string, Uint8Array][]): Uint8Array =>
  bytes("}(", ...pairs.flatMap(([key, value]) => [text(key), value]), "u");
export const pickle = (...parts: Uint8Array[]): Uint8Array => bytes(0x80, 2, ...parts, ".");

/** A tensor of a torch zip: a view of the storage `key` that has `numel` numbers. */
export const tensor = (key: string, numel: number, offset: number, shape: number[], stride: number[], type = "Float") =>
  bytes(
    global("torch._utils", "_rebuild_tensor_v2"),
    "(",
    tuple(text("storage"), global("torch", `${type}Storage`), text(key), text("cpu"), int(numel)),
    "Q",
    int(offset),
    tuple(...shape.map(int)),
    tuple(...stride.map(int)),
    0x89,
    bytes("}"),
    "tR",
  );
