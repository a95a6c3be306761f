// Attention in passes: sums over queries, for the gradients of keys and values.
//   y_j = sum_t w_tj b_t,   added to what y holds if `add`
//
// w   [zs, ts, pitch]   of (sample, head) z0 <= z < z0 + zs, queries t0 <= t < t0 + ts; in vectors of 4 keys
// b   [N, Tq, ..]       channel c of head h at  t * row_b + h * each_b + c + at_b, in vectors of 4 channels
// y   [N, Tk, ..]       likewise, _y
//
// Dispatch: one invocation per TJ vectors of 4 keys and TN vectors of channels of one z; channels change fastest.
//
// Why: as attention_logits. Ceiling: flops, 2 zs ts Tk ch.

override WG: u32 = 32;

struct Params {
    Tq: u32, Tk: u32, heads: u32, CH4: u32, row_b: u32, each_b: u32, at_b: u32, row_y: u32, each_y: u32, at_y: u32,
    z0: u32, zs: u32, t0: u32, ts: u32, pitch: u32, keys: u32, vectors: u32, add: u32,
}

@group(0) @binding(0) var<storage, read> w: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<Elem4>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: tile TJ, TN (a divisor of CH4)
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks = p.CH4 / TN;
    let tiles = (p.pitch + TJ - 1u) / TJ;
    let c = index % blocks * TN;
    let j = index / blocks % tiles * TJ;
    let dz = index / (blocks * tiles);
    if dz >= p.zs { return; }
    let n = (p.z0 + dz) / p.heads;
    let h = (p.z0 + dz) % p.heads;

    var key: array<u32, TJ>;
    for (var i = 0u; i < TJ; i++) { key[i] = dz * p.ts * p.pitch + min(j + i, p.pitch - 1u); }
    var sum: array<vec4f, TJ * TN * 4u>;
    let b0 = (n * p.Tq + p.t0) * p.row_b + h * p.each_b + p.at_b + c;
    for (var t = 0u; t < p.ts; t++) {
        var x: array<vec4f, TN>;
        for (var e = 0u; e < TN; e++) { x[e] = vec4f(b[b0 + t * p.row_b + e]); }
        for (var i = 0u; i < TJ; i++) {
            let v = w[key[i] + t * p.pitch];
            for (var e = 0u; e < TN; e++) {
                sum[(4u * i) * TN + e] += v.x * x[e];
                sum[(4u * i + 1u) * TN + e] += v.y * x[e];
                sum[(4u * i + 2u) * TN + e] += v.z * x[e];
                sum[(4u * i + 3u) * TN + e] += v.w * x[e];
            }
        }
    }

    // the bounds come from uniforms, since software adapters take long to compile unrolled stores
    var out = sum;
    for (var i = 0u; i < p.keys; i++) {
        if 4u * j + i >= p.Tk { break; }
        let at = (n * p.Tk + 4u * j + i) * p.row_y + h * p.each_y + p.at_y + c;
        for (var e = 0u; e < p.vectors; e++) {
            var v = out[i * TN + e];
            if p.add != 0u { v += vec4f(y[at + e]); }
            y[at + e] = Elem4(v);
        }
    }
}
