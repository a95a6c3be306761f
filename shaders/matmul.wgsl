// Product of matrices, direct.
//   c[z, s, m, n] = bias[n] + sum_k a[z, m, k] b[z, k, n],   s * KS <= k < (s + 1) * KS
//
// a [Z, M, K / 4]          of one matrix only where stride_a is 0, as b
// b [Z, K, N / 4]
// bias [N / 4]             or absent
// c [Z, S, M, N / 4]       f32; S > 1 when few outputs share a long sum, and another kernel adds them up
//
// Dispatch: one invocation per TM rows and TN vectors of columns of one (z, s); columns change fastest.
//
// Why: a tile of sums in registers, no workgroup memory, no barrier: what software adapters run best. Lanes lie along n,
// so a workgroup reads rows of b whole. Ceiling: flops, 2 Z M N K.

override WG: u32 = 32;

// K, KS, N and the strides are counted in vectors of 4
struct Params { Z: u32, S: u32, M: u32, N: u32, K: u32, KS: u32, stride_a: u32, stride_b: u32, rows: u32, vectors: u32, biased: u32 }

@group(0) @binding(0) var<storage, read> a: array<Elem4>;
@group(0) @binding(1) var<storage, read> b: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: tile TM, TN (a divisor of N)
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks = p.N / TN;
    let tiles = (p.M + TM - 1u) / TM;
    let n = (index % blocks) * TN;
    let m = index / blocks % tiles * TM;
    let zs = index / (blocks * tiles);
    if zs >= p.Z * p.S { return; }
    let z = zs / p.S;
    let k0 = (zs - z * p.S) * p.KS;
    let k1 = min(p.K, k0 + p.KS);

    var sum: array<vec4f, TM * TN>;
    var row: array<u32, TM>;
    // rows beyond the last repeat it, and are not stored
    for (var i = 0u; i < TM; i++) { row[i] = z * p.stride_a + min(m + i, p.M - 1u) * p.K; }
    var at = z * p.stride_b + 4u * k0 * p.N + n;
    for (var k = k0; k < k1; k++) {
        var v: array<vec4f, TM>;
        for (var i = 0u; i < TM; i++) { v[i] = vec4f(a[row[i] + k]); }
        for (var j = 0u; j < TN; j++) {
            let b0 = vec4f(b[at + j]);
            let b1 = vec4f(b[at + p.N + j]);
            let b2 = vec4f(b[at + 2u * p.N + j]);
            let b3 = vec4f(b[at + 3u * p.N + j]);
            for (var i = 0u; i < TM; i++) { sum[i * TN + j] += v[i].x * b0 + v[i].y * b1 + v[i].z * b2 + v[i].w * b3; }
        }
        at += 4u * p.N;
    }

    // the bounds come from uniforms, since software adapters take long to compile unrolled stores
    var out = sum;
    for (var i = 0u; i < p.rows; i++) {
        if m + i >= p.M { break; }
        for (var j = 0u; j < p.vectors; j++) {
            var v = out[i * TN + j];
            if p.biased != 0u { v += bias[n + j]; }
            c[(zs * p.M + m + i) * p.N + n + j] = v;
        }
    }
}
