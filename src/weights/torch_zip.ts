import { WeightsError } from "../errors.ts";
import { type PickleHost, unpickle } from "./pickle.ts";
import type { Source } from "./source.ts";
import { storages } from "./torch_storage.ts";
import { ELEMENT, type Value } from "./values.ts";
import type { ZipEntry } from "./zip.ts";

/** The container of torch >= 1.6: <root>/data.pkl, and each storage raw in <root>/data/<key>. */
export async function readTorchZip(
  source: Source,
  entries: ReadonlyMap<string, ZipEntry>,
  nested?: PickleHost["nested"],
): Promise<Value> {
  const fail = (why: string): never => {
    throw new WeightsError(`${source.name}: not a checkpoint of torch: ${why}`);
  };
  const pickles = [...entries.keys()].filter((name) => /(^|\/)data\.pkl$/.test(name));
  if (pickles.length !== 1) fail(`one data.pkl expected, got ${pickles.length}`);
  const root = (pickles[0] as string).slice(0, -"data.pkl".length);
  if (entries.has(`${root}constants.pkl`)) fail("it is a TorchScript program; save the state_dict() of its module");
  const stored = (name: string): ZipEntry | undefined => {
    const entry = entries.get(root + name);
    if (entry && !entry.stored) fail(`${root + name} is packed; torch stores it`);
    return entry;
  };
  const order = stored("byteorder");
  if (order) {
    const text = new TextDecoder().decode(await order.open().read(0, Math.min(order.size, 16)));
    if (text.trim() !== "little") fail(`byte order "${text}"; little expected: save it again on such a machine`);
  }
  const { persistent, roots } = storages(source.name);
  const pickle = (stored("data.pkl") as ZipEntry).open();
  const { value } = await unpickle(pickle, 0, { persistent, ...(nested && { nested }) });
  for (const [key, { type, numel, root: of }] of roots) {
    const entry = stored(`data/${key}`) ?? fail(`storage ${key.slice(0, 40)} is not in the archive`);
    const size = ELEMENT[type];
    if (size !== undefined && numel * size > entry.size)
      fail(`storage ${key} claims ${numel} ${type}, its entry has ${entry.size} bytes`);
    of.data = { source: entry.open(), at: 0, length: entry.size };
  }
  return value;
}
