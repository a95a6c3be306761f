// What the gradient of the softmax takes off.
//   delta[z, t] = sum_c o[t, c] dy[t, c] = sum_j w_tj <dy_t, v_j>
//
// o, dy  [N, Tq, heads * ch]   in vectors of 4 channels
// delta  [N * heads, Tq]
//
// Dispatch: one invocation per query, head and sample; heads change fastest. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, Tq: u32, heads: u32, CH4: u32 }

@group(0) @binding(0) var<storage, read> o: array<Elem4>;
@group(0) @binding(1) var<storage, read> dy: array<Elem4>;
@group(0) @binding(2) var<storage, read_write> delta: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    var s = vec4f(0.0);
    for (var d = 0u; d < p.CH4; d++) { s += vec4f(o[i * p.CH4 + d]) * vec4f(dy[i * p.CH4 + d]); }
    let h = i % p.heads;
    let t = i / p.heads;
    delta[(t / p.Tq * p.heads + h) * p.Tq + t % p.Tq] = s.x + s.y + s.z + s.w;
}
