import { WeightsError } from "../errors.ts";
import { dict, type Module, moduleOf, stateDict } from "./modules.ts";
import { NODES, type Plain, plain } from "./plain.ts";
import type { View } from "./stored.ts";
import { viewOf } from "./torch_storage.ts";
import { is, type Value, words } from "./values.ts";

export interface Chosen {
  readonly views: Map<string, View>;
  readonly about: Record<string, Plain>;
  readonly part: string;
}

const AVERAGED = ["ema", "params_ema", "model_ema", "ema_state_dict", "ema_model"];
const TRAINED = ["state_dict", "model", "model_state_dict", "params", "net", "network"];
const SKIPPED = /^(optimi[sz]er|.*scheduler|lr_schedulers|callbacks|loops|.*optimi[sz]er_states?)/;
const PREFIXES = ["module.", "_orig_mod."];
/** What a model's state holds beside what is trained, so that no average of it is kept. */
const BUFFERS = /(^|\.)(sigmas|running_mean|running_var|num_batches_tracked)$/;
const FOURIER = "all_modules.0.W"; // score_sde's fixed frequencies

/** Entries of all parts together: one may be there many times. */
const MOST = 1e5;

type Named = Map<string, View>;

/** The network's tensors among all that a checkpoint holds, by the names of its state_dict; and what else it says. */
export async function choose(top: Value, file: string, ema: boolean): Promise<Chosen> {
  const module = moduleOf(top);
  if (module) return { views: named(stateDict(module, file), file), about: await aboutModule(module), part: "" };
  const all = dict(top);
  if (!all) {
    const view = viewOf(top, file);
    if (view) return { views: new Map([["tensor", view]]), about: {}, part: "" };
    throw new WeightsError(`${file}: expected a state_dict, got ${is(top, "opaque") ? top.of : typeof top}`);
  }
  const known = new Map<Value | undefined, boolean>();
  const holdsTensors = (value: Value | undefined): boolean => {
    const held = known.get(value) ?? anyTensor(value);
    known.set(value, held);
    return held;
  };
  const rest = async (part: string): Promise<Record<string, Plain>> => {
    const about: Record<string, Plain> = Object.create(null);
    const budget = { nodes: NODES };
    for (const [key, value] of all) {
      if (key === part || SKIPPED.test(words(key)) || holdsTensors(value)) continue;
      const got = await plain(value, budget);
      if (got !== undefined) about[words(key)] = got;
    }
    return about;
  };

  const average = dict(all.get("ema"));
  const list = average?.get("shadow_params");
  const model = dict(all.get("model"));
  if (ema && Array.isArray(list)) {
    if (!model) throw new WeightsError(`${file}: its ema list has no names: it has no model beside`);
    return { views: averaged(named(model, file), list, file), about: await rest("model"), part: "ema.shadow_params" };
  }
  for (const part of ema ? [...AVERAGED, ...TRAINED] : [...TRAINED, ...AVERAGED]) {
    const value = all.get(part);
    const inner = moduleOf(value);
    if (inner) {
      const views = named(stateDict(inner, file), file);
      return { views, about: Object.assign(await rest(part), await aboutModule(inner)), part };
    }
    if (holdsTensors(value)) return { views: named(dict(value)!, file), about: await rest(part), part };
  }
  if (holdsTensors(top)) return { views: named(all, file), about: await rest(""), part: "" };
  const parts = [...all].filter(([, value]) => holdsTensors(value));
  if (!parts.length) throw new WeightsError(`${file}: no tensors in it; it holds ${keys(all)}`);
  const views: Named = new Map();
  if (parts.reduce((sum, [, value]) => sum + (dict(value)?.size ?? 0), 0) > MOST)
    throw new WeightsError(`${file}: its ${parts.length} parts have more than ${MOST} entries`);
  for (const [key, value] of parts)
    for (const [name, view] of named(dict(value)!, file)) views.set(`${words(key)}.${name}`, view);
  return { views, about: await rest(""), part: "" };
}

const isTensor = (value: Value): boolean =>
  is(value, "tensor") || (is(value, "opaque") && /^numpy\..*\._reconstruct$/.test(value.of));
const keys = (all: ReadonlyMap<Value, Value>): string =>
  [...all.keys()]
    .slice(0, 8)
    .map((key) => JSON.stringify(words(key).slice(0, 40)))
    .join(", ") || "nothing";

function anyTensor(value: Value | undefined): boolean {
  for (const item of dict(value)?.values() ?? []) if (isTensor(item)) return true;
  return false;
}

/** The tensors of a state_dict; the prefixes of DataParallel and torch.compile go. */
function named(state: ReadonlyMap<Value, Value>, file: string): Named {
  let found: [string, View][] = [];
  for (const [key, value] of state) {
    const name = words(key);
    if (is(value, "opaque") && /^torch\b/.test(value.of))
      throw new WeightsError(
        `${file}: ${name.slice(0, 200)} is made by ${value.of}, which is not read; save plain tensors`,
      );
    const view = typeof key === "object" ? undefined : viewOf(value, `${file}: ${name.slice(0, 200)}`);
    if (view) found.push([name, view]);
  }
  for (const prefix of PREFIXES)
    if (found.length && found.every(([name]) => name.startsWith(prefix)))
      found = found.map(([name, view]) => [name.slice(prefix.length), view]);
  const out = new Map(found);
  if (out.size < found.length) throw new WeightsError(`${file}: two of its tensors have the same name`);
  return out;
}

/**
 * score_sde keeps its average as a list without names: the trained parameters in the model's order. Re-saved ones
 * (MUPET) have the fixed Fourier frequencies in it, too. Buffers and what is not averaged come from the model.
 */
function averaged(model: Named, list: readonly Value[], file: string): Named {
  let names = [...model.keys()].filter((name) => !BUFFERS.test(name));
  if (list.length === names.length - 1) names = names.filter((name) => name !== FOURIER);
  if (list.length !== names.length)
    throw new WeightsError(`${file}: its ema has ${list.length} tensors, its model ${names.length}; pass ema: false`);
  const out = new Map(model);
  names.forEach((name, i) => {
    const view = viewOf(list[i], `${file}: ema ${i}`);
    const expected = (model.get(name) as View).shape;
    if (view?.shape.join() !== expected.join())
      throw new WeightsError(
        `${file}: ema ${i} is ${view ? `[${view.shape}]` : "no tensor"}, ${name} is [${expected}]; pass ema: false`,
      );
    out.set(name, view);
  });
  return out;
}

/** Constructor arguments and plain attributes of a module and of its `model`. */
async function aboutModule({ className, state }: Module, depth = 0): Promise<Record<string, Plain>> {
  const about: Record<string, Plain> = Object.create(null);
  about.class_name = className;
  about.init_args = (await plain(state.get("_init_args") ?? [])) ?? [];
  about.init_kwargs = (await plain(state.get("_init_kwargs") ?? new Map())) ?? {};
  const attributes = new Map([...state].filter(([key]) => typeof key === "string" && !key.startsWith("_")));
  about.state = (await plain(attributes)) ?? {};
  const inner = moduleOf(dict(state.get("_modules"))?.get("model"));
  if (inner && depth < 4)
    about.modules = Object.assign(Object.create(null), { model: await aboutModule(inner, depth + 1) });
  return about;
}
