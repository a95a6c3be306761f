// Product of matrices by tiles in workgroup memory, of any size and layout.
//   c[z, s, m, n] = bias[n] + sum_k a[z, m, k] b[z, k, n],   s * KS <= k < (s + 1) * KS
//
// a    [Z] matrices, element (m, k) at m * am + k * ak;  b likewise, (k, n) at k * bk + n * bn
// bias [N]                 or absent
// c    [Z, S, M, N]        f32
//
// Dispatch: one workgroup of 8 x 8 per tile of 64 x 64 of one (z, s); grid (n tiles, m tiles, zs).
//
// Why: each element that is fetched serves 64 products; each invocation keeps 8 x 8 sums, whose rows and columns are 8
// apart, so that neighbours read neighbouring words of workgroup memory. Ceiling: flops, 2 Z M N K.

// whether k, not m or n, is the contiguous axis of a and of b
override A_K: bool = true;
override B_K: bool = false;

struct Params {
    Z: u32, S: u32, M: u32, N: u32, K: u32, KS: u32, stride_a: u32, stride_b: u32,
    am: u32, ak: u32, bk: u32, bn: u32, biased: u32,
}

@group(0) @binding(0) var<storage, read> a: array<Elem>;
@group(0) @binding(1) var<storage, read> b: array<Elem>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

const TK: u32 = 16u;
var<workgroup> sh_a: array<f32, 1040>;
var<workgroup> sh_b: array<f32, 1040>;

// element e of a tile of 64 x TK: (its place along m or n, its k), the contiguous axis first
fn place(e: u32, by_k: bool) -> vec2u {
    if by_k { return vec2u(e / TK, e % TK); }
    return vec2u(e % 64u, e / 64u);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(local_invocation_index) l: u32, @builtin(workgroup_id) group: vec3u) {
    let zs = group.z;
    let z = zs / p.S;
    let m0 = group.y * 64u;
    let n0 = group.x * 64u;
    let k0 = (zs - z * p.S) * p.KS;
    let k1 = min(p.K, k0 + p.KS);
    var sum: array<f32, 64>;
    for (var k = k0; k < k1; k += TK) {
        for (var e = l; e < 64u * TK; e += 64u) {
            let ia = place(e, A_K);
            let ma = m0 + ia.x;
            let ka = k + ia.y;
            var va = 0.0;
            if ma < p.M && ka < k1 { va = f32(a[z * p.stride_a + ma * p.am + ka * p.ak]); }
            // rows of 65 words, so that a column of k lies in different banks
            sh_a[ia.y * 65u + ia.x] = va;
            let ib = place(e, B_K);
            let nb = n0 + ib.x;
            let kb = k + ib.y;
            var vb = 0.0;
            if nb < p.N && kb < k1 { vb = f32(b[z * p.stride_b + kb * p.bk + nb * p.bn]); }
            sh_b[ib.y * 65u + ib.x] = vb;
        }
        workgroupBarrier();
        for (var t = 0u; t < TK; t++) {
            var va: array<f32, 8>;
            var vb: array<f32, 8>;
            for (var i = 0u; i < 8u; i++) {
                va[i] = sh_a[t * 65u + local.y + 8u * i];
                vb[i] = sh_b[t * 65u + local.x + 8u * i];
            }
            for (var i = 0u; i < 8u; i++) {
                for (var j = 0u; j < 8u; j++) { sum[i * 8u + j] += va[i] * vb[j]; }
            }
        }
        // the next tile overwrites this one
        workgroupBarrier();
    }
    for (var i = 0u; i < 8u; i++) {
        let m = m0 + local.y + 8u * i;
        for (var j = 0u; j < 8u; j++) {
            let n = n0 + local.x + 8u * j;
            if m < p.M && n < p.N {
                var v = sum[i * 8u + j];
                if p.biased != 0u { v += bias[n]; }
                c[(zs * p.M + m) * p.N + n] = v;
            }
        }
    }
}
