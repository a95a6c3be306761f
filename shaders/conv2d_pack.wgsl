// Weights as convolution reads them.
//   packed[g, ky, kx, i, o] = w[base + g * by_g + o * by_o + i * by_i + (first_y + ky * every_y) * KX + first_x + kx * every_x]
//
// w       PyTorch's [Cout, Cin / G, KY, KX]
// packed  [G, ceil(O / 4) / block, KH, KW, I, block], vectors of 4 output channels, zeros beyond O
//
// Dispatch: one invocation per vector of packed.
//
// Why: four output channels are one load, and an invocation that wants `block` reads one stretch. The strides serve the
// gradient too: channels swapped, taps backwards and, for a strided convolution, every few of them. Ceiling: bytes.

override WG: u32 = 64;

struct Params {
    n: u32, block: u32, I: u32, O: u32, KH: u32, KW: u32, KX: u32, base: u32, by_g: u32, by_o: u32, by_i: u32,
    first_y: i32, every_y: i32, first_x: i32, every_x: i32,
}

@group(0) @binding(0) var<storage, read> w: array<Elem>;
@group(0) @binding(1) var<storage, read_write> packed: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    if index >= p.n { return; }
    let i = (index / p.block) % p.I;
    let k = index / (p.block * p.I);
    let kx = i32(k % p.KW);
    let ky = i32((k / p.KW) % p.KH);
    let gb = k / (p.KW * p.KH);
    let blocks = (p.O + 3u) / 4u / p.block;
    let g = gb / blocks;
    let o = (gb % blocks * p.block + index % p.block) * 4u;
    let tap = u32((p.first_y + ky * p.every_y) * i32(p.KX) + p.first_x + kx * p.every_x);
    let at = p.base + g * p.by_g + i * p.by_i + tap;
    var v: vec4f;
    for (var j = 0u; j < min(4u, p.O - o); j++) { v[j] = f32(w[at + (o + j) * p.by_o]); }
    packed[index] = Elem4(v);
}
