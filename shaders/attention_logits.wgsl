// Attention in passes: products of two sets of tokens, with what follows at once.
//   x = <a_t, b_j>       mode 0   s = scale x                      logits, to base 2
//                        mode 1   s = exp2(scale x - lse_t)        weights
//                        mode 2   s = scale w_tj (x - delta_t)     gradient of the logits, w the weights
//
// a           [N, Tq, ..]   channel c of head h at  t * row_a + h * each_a + c + at_a, in vectors of 4 channels
// b           [N, Tk, ..]   likewise
// lse, delta  [N * heads, Tq]
// w, s        [zs, ts, pitch]   for (sample, head) z0 <= z < z0 + zs, queries t0 <= t < t0 + ts; keys in vectors of 4,
//                               nothing (of weight 0) beyond the last
//
// Dispatch: one invocation per TM queries and TJ vectors of keys of one z; keys change fastest.
//
// Why: a tile of sums in registers, no barrier: what software adapters run best. s is scratch of bounded size: the host
// goes through heads, or blocks of queries, in turn. Ceiling: flops, 2 zs ts Tk ch.

override WG: u32 = 32;

struct Params {
    Tq: u32, Tk: u32, heads: u32, CH4: u32, row_a: u32, each_a: u32, at_a: u32, row_b: u32, each_b: u32, at_b: u32,
    z0: u32, zs: u32, t0: u32, ts: u32, pitch: u32, rows: u32, vectors: u32, mode: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<Elem4>;
@group(0) @binding(1) var<storage, read> b: array<Elem4>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read> w: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> s: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: tile TM, TJ
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let tiles = (p.ts + TM - 1u) / TM;
    let pairs = (p.pitch + TJ - 1u) / TJ;
    let j = index % pairs * TJ;
    let t = index / pairs % tiles * TM;
    let dz = index / (pairs * tiles);
    if dz >= p.zs { return; }
    let n = (p.z0 + dz) / p.heads;
    let h = (p.z0 + dz) % p.heads;

    // tokens beyond the last repeat it
    let b0 = n * p.Tk * p.row_b + h * p.each_b + p.at_b;
    let last = p.Tk - 1u;
    var key: array<vec4u, TJ>;
    for (var e = 0u; e < TJ; e++) { key[e] = vec4u(b0) + min(vec4u(4u * (j + e)) + vec4u(0u, 1u, 2u, 3u), vec4u(last)) * p.row_b; }
    let a0 = (n * p.Tq + p.t0) * p.row_a + h * p.each_a + p.at_a;
    var row: array<u32, TM>;
    for (var i = 0u; i < TM; i++) { row[i] = a0 + min(t + i, p.ts - 1u) * p.row_a; }
    var sum: array<vec4f, TM * TJ>;
    for (var d = 0u; d < p.CH4; d++) {
        var x: array<vec4f, TM>;
        for (var i = 0u; i < TM; i++) { x[i] = vec4f(a[row[i] + d]); }
        for (var e = 0u; e < TJ; e++) {
            let at = key[e] + d;
            let keys = mat4x4f(vec4f(b[at.x]), vec4f(b[at.y]), vec4f(b[at.z]), vec4f(b[at.w]));
            for (var i = 0u; i < TM; i++) { sum[i * TJ + e] += x[i] * keys; }
        }
    }

    // the bound comes from a uniform, since software adapters take long to compile unrolled stores
    var out = sum;
    for (var i = 0u; i < p.rows; i++) {
        if t + i >= p.ts { break; }
        let zt = (p.z0 + dz) * p.Tq + p.t0 + t + i;
        for (var e = 0u; e < p.vectors; e++) {
            if j + e >= p.pitch { break; }
            let at = (dz * p.ts + t + i) * p.pitch + j + e;
            let live = vec4u(4u * (j + e)) + vec4u(0u, 1u, 2u, 3u) < vec4u(p.Tk);
            var x = out[i * TJ + e];
            if p.mode == 0u { x = select(vec4f(-1e30), p.scale * x, live); }
            if p.mode == 1u { x = select(vec4f(0.0), exp2(p.scale * x - lse[zt]), live); }
            if p.mode == 2u { x = p.scale * w[at] * (x - delta[zt]); }
            s[at] = x;
        }
    }
}
