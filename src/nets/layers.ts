import type { Specs } from "./net.ts";

/** Declarations of the layers that every network shares, by PyTorch's names and default initial values. */
export const declare = {
  conv(specs: Specs, name: string, out: number, into: number, k: number, { zero = false, rank = 4 } = {}): void {
    const fanIn = into * k ** (rank - 2);
    const kernel = new Array(rank - 2).fill(k);
    specs[`${name}.weight`] = { shape: [out, into, ...kernel], init: zero ? 0 : { fanIn } };
    specs[`${name}.bias`] = { shape: [out], init: zero ? 0 : { fanIn } };
  },
  linear(specs: Specs, name: string, out: number, into: number): void {
    declare.conv(specs, name, out, into, 1, { rank: 2 });
  },
  norm(specs: Specs, name: string, channels: number): void {
    specs[`${name}.weight`] = { shape: [channels], init: 1 };
    specs[`${name}.bias`] = { shape: [channels], init: 0 };
  },
};
