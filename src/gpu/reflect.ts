/** What the host must know of a shader, read from its own text: the WGSL is the only place that states it. */
export interface Layout {
  readonly stem: string;
  readonly inputs: readonly Binding[];
  readonly outputs: readonly Binding[];
  readonly params: readonly { name: string; type: "u32" | "i32" | "f32" }[];
  readonly overrides: Readonly<Record<string, number>>;
}
export interface Binding {
  readonly name: string;
  readonly index: number;
  /** As written: `Elem`, `Elem4` and `V` follow the dtype of the call, the rest are themselves. */
  readonly type: string;
}

const STORAGE = /^@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> (\w+): array<([\w<>]+)>;/gm;

export function reflect(wgsl: string): Layout {
  const stem = /^\/\/@ (?:\.\.\/)?([\w/]+)\.wgsl:1$/m.exec(wgsl)?.[1] ?? "shader";
  const found = [...wgsl.matchAll(STORAGE)];
  found.forEach((m, i) => {
    if (Number(m[1]) !== i)
      throw new Error(`internal: ${stem}: binding ${m[1]} of "${m[3]}" is out of order, expected ${i}`);
  });
  const pick = (access: string) =>
    found.flatMap((m, index) => (m[2] === access ? [{ name: m[3] as string, index, type: m[4] as string }] : []));
  const struct = /^struct Params \{([^}]*)\}/m.exec(wgsl)?.[1] ?? "";
  return {
    stem,
    inputs: pick("read"),
    outputs: pick("read_write"),
    params: [...struct.matchAll(/(\w+): (u32|i32|f32)/g)].map((m) => ({ name: m[1] as string, type: m[2] as "u32" })),
    overrides: Object.fromEntries(
      [...wgsl.matchAll(/^override (\w+): \w+ = ([\w.]+?)u?;/gm)].map((m) => [
        m[1],
        m[2] === "true" ? 1 : Number(m[2]) || 0,
      ]),
    ),
  };
}

/** `line` of the linked text as `file:line` of the file it came from. `offset`: lines of the prelude. */
export function locate(wgsl: string, line: number): string {
  const lines = wgsl.split("\n");
  for (let i = Math.min(line, lines.length) - 1; i >= 0; i--) {
    const mark = /^\/\/@ (.+):(\d+)$/.exec(lines[i] as string);
    if (mark) return `${mark[1]}:${Number(mark[2]) + line - i - 2}`;
  }
  return `prelude:${line}`;
}
