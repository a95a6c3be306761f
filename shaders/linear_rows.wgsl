// Few rows through a matrix that stays as it is.
//   y[m, o] = bias[o] + sum_i x[m, i] w[o, i]
//
// x     [M, I]    f32; I in vectors of 4
// w     [O, I]
// bias  [O]       or absent
// y     [M, O]    f32
//
// Dispatch: LANES_PER_GROUP invocations per (m, o); with 1, which suits software adapters, there is no barrier.
//
// Why: the embedding of a noise level meets each weight once. A copy of w, turned or in another type, would take longer
// to make than to use, and memory to keep. Ceiling: bytes of w.

override WG: u32 = 64;
override LANES_PER_GROUP: u32 = 32;

struct Params { n: u32, I: u32, O: u32, biased: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/lane_sum.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32,
        @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups) / LANES_PER_GROUP;
    let lane = local % LANES_PER_GROUP;
    let live = index < p.n;
    let o = index % p.O;
    let m = index / p.O;
    var v = vec4f();
    for (var i = select(p.I, lane, live); i < p.I; i += LANES_PER_GROUP) { v += x[m * p.I + i] * vec4f(w[o * p.I + i]); }
    let sum = lane_sum(dot(v, vec4f(1.0)), local, lane);
    if !live || lane != 0u { return; }
    y[index] = select(0.0, bias[o], p.biased != 0u) + sum;
}
