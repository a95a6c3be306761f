// Product of matrices of any size and layout.
//   c[z, s, m, n] = bias[n] + sum_k a[z, m, k] b[z, k, n],   s * KS <= k < (s + 1) * KS
//
// a    [Z] matrices, element (m, k) at m * am + k * ak;  b likewise, (k, n) at k * bk + n * bn
// bias [N]                 or absent
// c    [Z, S, M, N]        f32
//
// Dispatch: one invocation per element of c.
//
// Why: for the odd sizes that `matmul` leaves over on software adapters. Ceiling: flops, 2 Z M N K.

override WG: u32 = 64;

struct Params {
    Z: u32, S: u32, M: u32, N: u32, K: u32, KS: u32, stride_a: u32, stride_b: u32,
    am: u32, ak: u32, bk: u32, bn: u32, biased: u32,
}

@group(0) @binding(0) var<storage, read> a: array<Elem>;
@group(0) @binding(1) var<storage, read> b: array<Elem>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    if index >= p.Z * p.S * p.M * p.N { return; }
    let n = index % p.N;
    let m = index / p.N % p.M;
    let zs = index / p.N / p.M;
    let z = zs / p.S;
    let k0 = (zs - z * p.S) * p.KS;
    let k1 = min(p.K, k0 + p.KS);
    var ia = z * p.stride_a + m * p.am + k0 * p.ak;
    var ib = z * p.stride_b + n * p.bn + k0 * p.bk;
    var sum = 0.0;
    for (var k = k0; k < k1; k++) {
        sum += f32(a[ia]) * f32(b[ib]);
        ia += p.ak;
        ib += p.bk;
    }
    if p.biased != 0u { sum += bias[n]; }
    c[index] = sum;
}
