import { WeightsError } from "../errors.ts";
import { Cursor } from "./cursor.ts";
import { type PickleHost, unpickle } from "./pickle.ts";
import { budgetOf } from "./pickle_stack.ts";
import type { Source } from "./source.ts";
import { storages } from "./torch_storage.ts";
import { ELEMENT, type Value, words } from "./values.ts";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/**
 * The container of torch < 1.6, and of each storage in an EDM pickle: five pickles back to back (magic number, protocol,
 * what the machine was like, the object, the storages' keys), then for each key a count of 8 bytes and the raw numbers.
 */
export async function readTorchLegacy(
  source: Source,
  { nested, budget = budgetOf(source.size) }: Pick<PickleHost, "nested" | "budget"> = {},
): Promise<Value> {
  const fail = (why: string): never => {
    throw new WeightsError(`${source.name}: not a checkpoint of torch's legacy format: ${why}`);
  };
  const magic = await unpickle(source, 0, { budget });
  if (magic.value !== MAGIC) fail("its magic number is wrong");
  const protocol = await unpickle(source, magic.end, { budget });
  if (protocol.value !== PROTOCOL) fail(`protocol ${PROTOCOL} expected, got ${words(protocol.value).slice(0, 20)}`);
  const machine = await unpickle(source, protocol.end, { budget });
  if (!(machine.value instanceof Map)) fail("it does not say which machine wrote it");
  if ((machine.value as Map<Value, Value>).get("little_endian") === false)
    fail("it was written on a big-endian machine; save it again on another");
  const { persistent, roots } = storages(source.name);
  const object = await unpickle(source, machine.end, { persistent, budget, ...(nested && { nested }) });
  const list = await unpickle(source, object.end, { budget });
  const keys: Value[] = Array.isArray(list.value) ? list.value : fail("it has no list of storages");
  const cursor = new Cursor(source, list.end);
  for (const key of keys) {
    const storage =
      roots.get(words(key)) ?? fail(`it lists storage ${words(key).slice(0, 40)}, which nothing refers to`);
    if (storage.root.data) fail(`it lists storage ${key} twice`);
    const size = ELEMENT[storage.type] ?? fail(`numbers of type ${storage.type}`);
    await cursor.need(8);
    const count = cursor.u64();
    if (count !== storage.numel) fail(`storage ${key} of ${storage.numel} numbers begins with a count of ${count}`);
    storage.root.data = cursor.skip(count * size);
  }
  return object.value;
}
