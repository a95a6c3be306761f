// Weights as PyTorch has them, from those that convolution reads: the inverse of conv2d_pack without gradient strides.
//   w[base + g * by_g + o * by_o + i * by_i + ky * KX + kx] = packed[g, ky, kx, i, o]
//
// packed  [G, ceil(O / 4) / block, KH, KW, I, block], vectors of 4 output channels
// w       PyTorch's [Cout, Cin / G, KY, KX], of which only these channels are written
//
// Dispatch: one invocation per vector of packed.
//
// Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, block: u32, I: u32, O: u32, KH: u32, KW: u32, KX: u32, base: u32, by_g: u32, by_o: u32, by_i: u32 }

@group(0) @binding(0) var<storage, read> packed: array<Elem4>;
@group(0) @binding(1) var<storage, read_write> w: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    if index >= p.n { return; }
    let i = (index / p.block) % p.I;
    let k = index / (p.block * p.I);
    let kx = k % p.KW;
    let ky = (k / p.KW) % p.KH;
    let gb = k / (p.KW * p.KH);
    let blocks = (p.O + 3u) / 4u / p.block;
    let g = gb / blocks;
    let o = (gb % blocks * p.block + index % p.block) * 4u;
    let at = p.base + g * p.by_g + i * p.by_i + ky * p.KX + kx;
    let v = packed[index];
    for (var j = 0u; j < min(4u, p.O - o); j++) { w[at + (o + j) * p.by_o] = v[j]; }
}
