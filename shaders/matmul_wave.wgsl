// Product of matrices, direct, by subgroups that share b.
//   c[z, s, m, n] = bias[n] + sum_k a[z, m, k] b[z, k, n],   s * KS <= k < (s + 1) * KS
//
// a [Z, M, K / 4]          of one matrix only where stride_a is 0, as b
// b [Z, K, N / 4]          N / 4 even
// bias [N / 4]             or absent
// c [Z, S, M, N / 4]       f32; S > 1 when few outputs share a long sum, and another kernel adds them up
//
// Dispatch: one workgroup per WG blocks of TM rows and 2 vectors of columns of one (z, s); columns change fastest.
// Subgroups have 8 invocations or more; the host sees to it.
//
// Why: for software adapters, where each read costs as much as dozens of multiplications, and is paid once for a
// subgroup's 8 lanes. What all lanes want of b, 4 rows of 2 vectors, is one read, and then handed around.
// Ceiling: flops, 2 Z M N K.

override WG: u32 = 8;

// K, KS, N and the strides are counted in vectors of 4
struct Params { Z: u32, S: u32, M: u32, N: u32, K: u32, KS: u32, stride_a: u32, stride_b: u32, rows: u32, vectors: u32, biased: u32 }

@group(0) @binding(0) var<storage, read> a: array<Elem4>;
@group(0) @binding(1) var<storage, read> b: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

// prelude: rows TM
@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) l: u32, @builtin(subgroup_invocation_id) lane: u32,
    @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
    let index = id.x + id.y * groups.x;
    let blocks = p.N / 2u;
    let tiles = (p.M + WG * TM - 1u) / (WG * TM);
    let n = (index % blocks) * 2u;
    let m = (index / blocks % tiles * WG + l) * TM;
    let zs = index / (blocks * tiles);
    if zs >= p.Z * p.S { return; } // the whole workgroup
    let z = zs / p.S;
    let k0 = (zs - z * p.S) * p.KS;
    let k1 = min(p.K, k0 + p.KS);

    var sum: array<vec4f, TM * 2u>;
    var row: array<u32, TM>;
    // rows beyond the last repeat it, and are not stored: nobody leaves before the last of b is handed around
    for (var i = 0u; i < TM; i++) { row[i] = z * p.stride_a + min(m + i, p.M - 1u) * p.K; }
    var at = z * p.stride_b + (4u * k0 + lane % 8u / 2u) * p.N + n + lane % 2u;
    for (var k = k0; k < k1; k++) {
        var v: array<vec4f, TM>;
        for (var i = 0u; i < TM; i++) { v[i] = vec4f(a[row[i] + k]); }
        let own = vec4f(b[at]);
        for (var j = 0u; j < 2u; j++) {
            let b0 = select(subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), j == 1u);
            let b1 = select(subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u), j == 1u);
            let b2 = select(subgroupBroadcast(own, 4u), subgroupBroadcast(own, 5u), j == 1u);
            let b3 = select(subgroupBroadcast(own, 6u), subgroupBroadcast(own, 7u), j == 1u);
            for (var i = 0u; i < TM; i++) { sum[i * 2u + j] += v[i].x * b0 + v[i].y * b1 + v[i].z * b2 + v[i].w * b3; }
        }
        at += 4u * p.N;
    }

    // the bounds come from uniforms, since software adapters take long to compile unrolled stores
    var out = sum;
    for (var i = 0u; i < p.rows; i++) {
        if m + i >= p.M { break; }
        for (var j = 0u; j < p.vectors; j++) {
            var v = out[i * 2u + j];
            if p.biased != 0u { v += bias[n + j]; }
            c[(zs * p.M + m + i) * p.N + n + j] = v;
        }
    }
}
