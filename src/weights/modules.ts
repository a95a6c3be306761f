import { WeightsError } from "../errors.ts";
import { is, type Value, words } from "./values.ts";

const DEPTH = 64;

type Dict = ReadonlyMap<Value, Value>;
export interface Module {
  readonly className: string;
  readonly state: Dict;
}

export const dict = (value: Value | undefined): Dict | undefined =>
  value instanceof Map ? value : is(value, "opaque") ? value.entries : undefined;

/**
 * A pickled torch module as its class name and attributes. EDM's are persistent: they carry the source text of their
 * class, which is left alone. Others are pickled by name, and need no class to be read as data either.
 */
export function moduleOf(value: Value | undefined): Module | undefined {
  if (!is(value, "opaque")) return undefined;
  let className = value.of.slice(value.of.lastIndexOf(".") + 1);
  let state = dict(value.state);
  if (value.of === "torch_utils.persistence._reconstruct_persistent_obj") {
    const meta = dict((value.args as Value[])[0]);
    className = words(meta?.get("class_name") ?? "").slice(0, 200);
    state = dict(meta?.get("state"));
  }
  return state && dict(state.get("_parameters")) && dict(state.get("_modules")) ? { className, state } : undefined;
}

/** Parameters and buffers of a module by their names, in the order of its state_dict. */
export function stateDict(module: Module, who: string): Map<string, Value> {
  const out = new Map<string, Value>();
  let [visited, entries] = [0, 0];
  walk(module, "", 0);
  return out;

  function walk({ state }: Module, prefix: string, depth: number): void {
    // the depth ends cycles, the counts what shares modules exponentially often
    if (depth > DEPTH || prefix.length > 4000) throw new WeightsError(`${who}: its modules are nested too deep`);
    const put = (items: Dict | undefined, skip?: Value): void => {
      for (const [name, value] of items ?? []) {
        if (++entries > 1e5) throw new WeightsError(`${who}: its modules have too many tensors`);
        if (value === null || (skip instanceof Set && skip.has(name))) continue;
        out.set(`${prefix}${words(name)}`, value);
      }
    };
    put(dict(state.get("_parameters")));
    put(dict(state.get("_buffers")), state.get("_non_persistent_buffers_set"));
    for (const [name, child] of dict(state.get("_modules")) ?? []) {
      if (child === null) continue;
      const inner = moduleOf(child);
      if (!inner) throw new WeightsError(`${who}: its part ${prefix}${words(name)} is no module we can read`);
      if (++visited > 1e5) throw new WeightsError(`${who}: its modules are too many`);
      walk(inner, `${prefix}${words(name)}.`, depth + 1);
    }
  }
}
