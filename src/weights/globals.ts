import { bytesSource } from "./source.ts";
import { countOf } from "./stored.ts";
import { is, type Value, words } from "./values.ts";

interface Machine {
  spend(bytes: number): void;
  fail(why: string): never;
}
type Call = (args: Value[], machine: Machine) => Value;

// Names that only an attack has a use for in a file of numbers. They would do nothing here; the user should know.
const HARMFUL =
  /^(os|posix|nt|posixpath|subprocess|sys|socket|shutil|runpy|importlib|imp|pty|ctypes|code|codeop|pickle|_pickle|commands|webbrowser|urllib\d?|requests|platform|marshal|operator\.(attrgetter|methodcaller|itemgetter)|torch\.(load|hub|jit|package)|numpy\.load|numpy\.testing)(\.|$)|^builtins\.(eval|exec|execfile|compile|open|file|__import__|input|raw_input|breakpoint|globals|locals|vars|setattr|delattr|apply|map|filter|help|exit|quit)$/;
export const harmful = (name: string): boolean => HARMFUL.test(name);

const items = (args: Value[], machine: Machine): Value[] => {
  const from = args[0] ?? [];
  if (!Array.isArray(from)) return machine.fail("a collection is made of what is no list");
  machine.spend(16 * from.length);
  return from;
};

const map: Call = (args, machine) => {
  const made = new Map<Value, Value>();
  machine.spend(220);
  const from = args[0];
  const pairs = from instanceof Map ? [...from] : items(args, machine);
  machine.spend(80 * pairs.length);
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return machine.fail("a dictionary is made of what are no pairs");
    const [key, value] = pair as [Value, Value];
    if (made.has(key)) return machine.fail(`the key ${JSON.stringify(words(key).slice(0, 80))} comes twice`);
    made.set(key, value);
  }
  return made;
};

const list: Call = (args, machine) => [...items(args, machine)];

const set: Call = (args, machine) => {
  const from = items(args, machine);
  machine.spend(200 + 40 * from.length);
  return new Set(from);
};

/** _codecs.encode(text, "latin1"): how protocol 2 keeps bytes. */
const encode: Call = ([text, encoding], machine) => {
  if (typeof text !== "string" || !/^latin-?1$/.test(words(encoding))) return machine.fail("bytes that are not latin1");
  machine.spend(128 + text.length);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) return machine.fail("bytes that are not latin1");
    bytes[i] = code;
  }
  return { kind: "bytes", data: { source: bytesSource(bytes), at: 0, length: bytes.length } };
};

/** _rebuild_tensor(_v2)(storage, offset, size, stride, …) */
const tensor: Call = ([storage, offset, size, stride], machine) => {
  machine.spend(160);
  if (!is(storage, "storage")) return machine.fail("a tensor without a storage");
  if (countOf(size) === undefined) return machine.fail("a tensor's size is no shape");
  const steps = stride as number[];
  if (
    !Array.isArray(stride) ||
    stride.length > 32 ||
    !stride.every(Number.isSafeInteger) ||
    !Number.isSafeInteger(offset)
  )
    return machine.fail("a tensor's strides are none");
  return { kind: "tensor", storage, offset: offset as number, shape: size as number[], stride: steps };
};

/** The names whose calls become plain data. All else becomes an opaque record. */
export const GLOBALS: Readonly<Record<string, Call>> = Object.assign(Object.create(null), {
  "collections.OrderedDict": map,
  "builtins.dict": map,
  "builtins.list": list,
  "builtins.tuple": list,
  "torch.Size": list,
  "builtins.set": set,
  "builtins.frozenset": set,
  "_codecs.encode": encode,
  "torch._utils._rebuild_tensor": tensor,
  "torch._utils._rebuild_tensor_v2": tensor,
  "torch._utils._rebuild_parameter": ([of]: Value[]) => of ?? null,
  "torch._utils._rebuild_parameter_with_state": ([of]: Value[]) => of ?? null,
});
