// Attention in passes: sums of tokens under weights.
//   y_t = sum_j w_tj b_j,   divided by total_t if `divide`
//
// w      [zs, ts, pitch]   of (sample, head) z0 <= z < z0 + zs, queries t0 <= t < t0 + ts; in vectors of 4 keys
// b      [N, Tk, ..]       channel c of head h at  j * row_b + h * each_b + c + at_b, in vectors of 4 channels
// total  [N * heads, Tq]
// y      [N, Tq, ..]       likewise, _y
//
// Dispatch: one invocation per TM queries and TN vectors of channels of one z; channels change fastest.
//
// Why: as attention_logits. Ceiling: flops, 2 zs ts Tk ch.

override WG: u32 = 32;

struct Params {
    Tq: u32, Tk: u32, heads: u32, CH4: u32, row_b: u32, each_b: u32, at_b: u32, row_y: u32, each_y: u32, at_y: u32,
    z0: u32, zs: u32, t0: u32, ts: u32, pitch: u32, rows: u32, vectors: u32, divide: u32,
}

@group(0) @binding(0) var<storage, read> w: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<Elem4>;
@group(0) @binding(2) var<storage, read> total: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: tile TM, TN (a divisor of CH4)
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks = p.CH4 / TN;
    let tiles = (p.ts + TM - 1u) / TM;
    let c = index % blocks * TN;
    let t = index / blocks % tiles * TM;
    let dz = index / (blocks * tiles);
    if dz >= p.zs { return; }
    let n = (p.z0 + dz) / p.heads;
    let h = (p.z0 + dz) % p.heads;

    var row: array<u32, TM>;
    for (var i = 0u; i < TM; i++) { row[i] = (dz * p.ts + min(t + i, p.ts - 1u)) * p.pitch; }
    var sum: array<vec4f, TM * TN>;
    let b0 = n * p.Tk * p.row_b + h * p.each_b + p.at_b + c;
    let last = p.Tk - 1u;
    for (var j = 0u; j < p.pitch; j++) {
        // beyond the last key the weight is 0
        let key = vec4u(b0) + min(vec4u(4u * j) + vec4u(0u, 1u, 2u, 3u), vec4u(last)) * p.row_b;
        var v: array<vec4f, TM>;
        for (var i = 0u; i < TM; i++) { v[i] = w[row[i] + j]; }
        for (var e = 0u; e < TN; e++) {
            let x0 = vec4f(b[key.x + e]);
            let x1 = vec4f(b[key.y + e]);
            let x2 = vec4f(b[key.z + e]);
            let x3 = vec4f(b[key.w + e]);
            for (var i = 0u; i < TM; i++) { sum[i * TN + e] += v[i].x * x0 + v[i].y * x1 + v[i].z * x2 + v[i].w * x3; }
        }
    }

    // the bounds come from uniforms, since software adapters take long to compile unrolled stores
    var out = sum;
    for (var i = 0u; i < p.rows; i++) {
        if t + i >= p.ts { break; }
        let time = p.t0 + t + i;
        var scale = 1.0;
        if p.divide != 0u { scale = 1.0 / total[(p.z0 + dz) * p.Tq + time]; }
        let at = (n * p.Tq + time) * p.row_y + h * p.each_y + p.at_y + c;
        for (var e = 0u; e < p.vectors; e++) { y[at + e] = Elem4(out[i * TN + e] * scale); }
    }
}
