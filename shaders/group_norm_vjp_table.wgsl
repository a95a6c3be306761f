// From the sums over runs: the sums over pixels, the two means of each group, the gradients of scale and shift.
//   S = sum dz,  X = sum dz xh                                    over all pixels, for each (n, c)
//   m1 = mean(w dz),  m2 = mean(w dz xh),  w = gamma (1 + scale)  over a group
//   dscale = gamma X + beta S,  dshift = S
//
// partial        [N, K, 2, C]
// gamma, beta    [C]           optional
// scale          rows of `stride` numbers; optional
// means          [N, 4, C]     (m1, m2, S, X)
// dscale         [N, stride]   dshift [N, C]; with JOINT, dshift is the second half of dscale's rows
//
// Dispatch: LANES_PER_GROUP invocations per (n, g); with 1 there is no barrier.

override WG: u32 = 64;
override LANES_PER_GROUP: u32 = 64;
override HAS_AFFINE: u32 = 1;
override HAS_SCALE: u32 = 0;
override JOINT: u32 = 0;

struct Params { n: u32, HW: u32, C: u32, G: u32, K: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<Elem>;
@group(0) @binding(4) var<storage, read_write> means: array<f32>;
@group(0) @binding(5) var<storage, read_write> dscale: array<Elem>;
@group(0) @binding(6) var<storage, read_write> dshift: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/lane_sum.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32,
        @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups) / LANES_PER_GROUP;
    let lane = local % LANES_PER_GROUP;
    let live = i < p.n;
    let n = i / p.G;
    let D = p.C / p.G;
    let c0 = (i % p.G) * D;
    let K = select(0u, p.K, live);

    var m1 = 0.0;
    var m2 = 0.0;
    for (var e = 0u; e < D; e++) {
        let c = c0 + e;
        var s = 0.0;
        var sx = 0.0;
        for (var k = lane; k < K; k += LANES_PER_GROUP) {
            let at = (n * p.K + k) * 2u * p.C + c;
            s += partial[at];
            sx += partial[at + p.C];
        }
        s = lane_sum(s, local, lane);
        sx = lane_sum(sx, local, lane);
        if live {
            var g = 1.0;
            var b = 0.0;
            if HAS_AFFINE != 0u {
                g = gamma[c];
                b = beta[c];
            }
            var w = g;
            if HAS_SCALE != 0u { w *= 1.0 + f32(scale[n * p.stride + c]); }
            m1 += w * s;
            m2 += w * sx;
            if lane == 0u {
                means[(n * 4u + 2u) * p.C + c] = s;
                means[(n * 4u + 3u) * p.C + c] = sx;
                if HAS_SCALE != 0u {
                    dscale[n * p.stride + c] = Elem(g * sx + b * s);
                    if JOINT != 0u { dscale[n * p.stride + p.C + c] = Elem(s); } else { dshift[n * p.C + c] = Elem(s); }
                }
            }
        }
    }
    if !live { return; }
    let count = f32(p.HW) * f32(D);
    for (var e = lane; e < D; e += LANES_PER_GROUP) {
        means[n * 4u * p.C + c0 + e] = m1 / count;
        means[(n * 4u + 1u) * p.C + c0 + e] = m2 / count;
    }
}
