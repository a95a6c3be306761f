// Gradient of convolution with respect to its weights, out of its parts.
//   dw[g * O + o, i, ky, kx] = scale * sum_s part[s, g, ky, kx, i - at, o]
//
// part   [S, G, KH, KW, I, 4 ceil(O / 4)]     for the channels [at, at + I) of w
// part2  [S, 1, KH, KW, I2, 4 ceil(O / 4)]    for the I2 channels that follow; absent when I2 = 0
// dw     PyTorch's [Cout, C, KH, KW]           zero where no part reaches
//
// Dispatch: one invocation per element of dw.
//
// Why: no atomics, and the same sum on every run. Ceiling: bytes, those of the parts.

override WG: u32 = 64;

struct Params { n: u32, S: u32, G: u32, K: u32, C: u32, O: u32, at: u32, I: u32, I2: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> part: array<f32>;
@group(0) @binding(1) var<storage, read> part2: array<f32>;
@group(0) @binding(2) var<storage, read_write> dw: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    if index >= p.n { return; }
    let k = index % p.K;
    let i = (index / p.K) % p.C;
    let go = index / (p.K * p.C);
    let g = go / p.O;
    let o = go % p.O;
    let padded = (p.O + 3u) / 4u * 4u;
    var sum = 0f;
    if i >= p.at && i < p.at + p.I {
        let first = ((g * p.K + k) * p.I + i - p.at) * padded + o;
        for (var s = 0u; s < p.S; s++) { sum += part[first + s * p.G * p.K * p.I * padded]; }
    } else if i >= p.at + p.I && i < p.at + p.I + p.I2 {
        let first = (k * p.I2 + i - p.at - p.I) * padded + o;
        for (var s = 0u; s < p.S; s++) { sum += part2[first + s * p.K * p.I2 * padded]; }
    }
    dw[index] = Elem(p.scale * sum);
}
