/** Mutants of weight files: the same number gives the same mutant, everywhere. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { mutateLegacy, mutatePickle, mutateTorchZip } from "./mutate_pickle.ts";
import { mutateNumpy, mutateSafetensors, mutateZip } from "./mutate_tables.ts";
import { INTERESTING, type Random, random } from "./random.ts";

export const FORMATS = ["safetensors", "torch-zip", "torch-legacy", "edm-pickle", "npz", "npy"] as const;
export type Format = (typeof FORMATS)[number];

const PARENTS: Record<Format, RegExp> = {
  safetensors: /^(model-.*|dtypes)\.safetensors$/,
  "torch-zip": /^(zip.*|score_sde|lightning|module)\.(pt|pth|ckpt)$/,
  "torch-legacy": /^(legacy|mupet)\.pth?$/,
  "edm-pickle": /\.pkl$/,
  npz: /\.npz$/,
  npy: /^(half|c8|f4|f8_big_endian_fortran|u1)\.npy$/,
};
type Mutator = (file: Uint8Array, r: Random) => Uint8Array;
const STRUCTURAL: Record<Format, Mutator[]> = {
  safetensors: [mutateSafetensors],
  "torch-zip": [mutateZip, mutateTorchZip, mutateTorchZip],
  "torch-legacy": [mutateLegacy],
  "edm-pickle": [mutatePickle],
  npz: [mutateZip, mutateNumpy],
  npy: [mutateNumpy],
};

const folders = [new URL("../fixtures/formats/", import.meta.url), new URL("../fixtures/", import.meta.url)];
const families = new Map<Format, Uint8Array[]>();

/** The whole files that mutants of a format come from. `root` is where the fixtures are, for a bundle that lies elsewhere. */
export function parents(format: Format, root?: string): Uint8Array[] {
  let family = families.get(format);
  if (!family) {
    const places = root ? [`${root}/formats/`, `${root}/`] : folders.map((url) => fileURLToPath(url));
    family = places.flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => PARENTS[format].test(name))
        .sort()
        .map((name) => new Uint8Array(readFileSync(`${folder}${name}`))),
    );
    families.set(format, family);
  }
  return family;
}

/** Mutant number `n` of the family that `seed` founds: one to four changes, a third of them blind, the others by what they know of the format. */
export function mutant(format: Format, seed: number, n: number, root?: string): Uint8Array {
  const r = random((seed * 0x9e3779b1 + n * 0x85ebca6b + FORMATS.indexOf(format)) >>> 0);
  const family = parents(format, root);
  let file: Uint8Array = r.pick(family).slice();
  for (let i = r.pick([1, 1, 1, 1, 2, 2, 3, 4]); i > 0; i--) {
    if (r.below(3)) file = r.pick(STRUCTURAL[format])(file, r);
    else file = r.pick(BLIND)(file, r, family);
    if (file.length > 200_000) file = file.slice(0, 200_000);
  }
  return file;
}

type Blind = (file: Uint8Array, r: Random, family: readonly Uint8Array[]) => Uint8Array;
const join = (...parts: Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};
/** Headers are at the beginning or the end, and most of a file is neither. */
const place = (file: Uint8Array, r: Random): number =>
  [r.below(file.length || 1), r.below(Math.min(file.length, 300) || 1), Math.max(0, file.length - 1 - r.below(300))][
    r.below(3)
  ] as number;

const BLIND: Blind[] = [
  (file, r) => {
    if (file.length) for (let i = r.below(8); i >= 0; i--) file[place(file, r)]! ^= 1 << r.below(8);
    return file;
  },
  (file, r) => {
    if (file.length)
      for (let i = r.below(4); i >= 0; i--) file[place(file, r)] = r.pick([0, 1, 0x7f, 0x80, 0xff, r.below(256)]);
    return file;
  },
  (file, r) => file.slice(0, place(file, r)),
  (file, r) => {
    const size = r.pick([2, 4, 8] as const);
    const at = place(file, r);
    if (at + size > file.length) return file;
    const view = new DataView(file.buffer, file.byteOffset);
    const value = BigInt.asUintN(64, r.pick(INTERESTING) + BigInt(r.below(3)) * BigInt(file.length));
    if (size === 2) view.setUint16(at, Number(value & 0xffffn), true);
    else if (size === 4) view.setUint32(at, Number(value & 0xffffffffn), true);
    else view.setBigUint64(at, value, true);
    return file;
  },
  (file, r) => {
    const [a, b] = [place(file, r), place(file, r)].sort((x, y) => x - y) as [number, number];
    return join(file.subarray(0, a), file.subarray(Math.min(b, a + r.below(64)))); // cut out
  },
  (file, r) => {
    const [a, b] = [place(file, r), place(file, r)].sort((x, y) => x - y) as [number, number];
    return join(file.subarray(0, b), file.subarray(a, Math.min(b, a + r.below(256))), file.subarray(b)); // said twice
  },
  (file, r, family) => {
    const other = r.pick(family);
    const from = place(other, r);
    const at = place(file, r);
    const part = other.subarray(from, from + r.below(128));
    return join(file.subarray(0, at), part, file.subarray(at + (r.below(2) ? part.length : 0)));
  },
];
