// Attention in passes: the weights of each query, not yet divided by their sum.
//   w_j = exp2(s_j - max s),   total = sum_j w_j,   lse = max s + log2 total
//
// s, w   [zs * ts, pitch]   in vectors of 4 keys; of (sample, head) z0 <= z and queries t0 <= t < t0 + ts
// total  [N * heads, Tq]    lse likewise
//
// Dispatch: one invocation per query of one z. Ceiling: bytes.

override WG: u32 = 32;

struct Params { n: u32, Tq: u32, z0: u32, t0: u32, ts: u32, pitch: u32 }

@group(0) @binding(0) var<storage, read> s: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> total: array<f32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let at = i * p.pitch;
    var top = s[at];
    for (var j = 1u; j < p.pitch; j++) { top = max(top, s[at + j]); }
    let m = max(max(top.x, top.y), max(top.z, top.w));
    var sum = vec4f(0.0);
    for (var j = 0u; j < p.pitch; j++) {
        let e = exp2(s[at + j] - m);
        w[at + j] = e;
        sum += e;
    }
    let all = sum.x + sum.y + sum.z + sum.w;
    let zt = (p.z0 + i / p.ts) * p.Tq + p.t0 + i % p.ts;
    total[zt] = all;
    lse[zt] = m + log2(all);
}
