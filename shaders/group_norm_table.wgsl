// Statistics of the groups, from those of the runs, and what they make of each channel.
//   mu = mean,  r = 1 / sqrt(v + eps)           over the channels [g*D, (g+1)*D) and all pixels, D = C/G
//   a  = r gamma (1 + scale),  b = beta (1 + scale) + shift - a lo       so that  y = a (x - hi) + b
//
// partial       [N, K, 3, C]
// gamma, beta   [C]             optional
// scale, shift  rows of `stride` numbers, from `shiftAt` in each row of shift; optional
// table         [N, 5, C]       (hi, lo, r, a, b), mu = hi + lo
//
// Dispatch: LANES_PER_GROUP invocations per (n, g); with 1, which suits software adapters, there is no barrier.
//
// Why: the parallel variance of Chan, with all means relative to one value o0 of the group. The mean is kept in two
// floats: in one, the noise upon a large constant would be off by the constant's last bit.

override WG: u32 = 64;
override LANES_PER_GROUP: u32 = 64;
override HAS_AFFINE: u32 = 1;
override HAS_SCALE: u32 = 0;

struct Params { n: u32, HW: u32, C: u32, G: u32, K: u32, R: u32, T: u32, stride: u32, shiftAt: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read> scale: array<Elem>;
@group(0) @binding(4) var<storage, read> shift: array<Elem>;
@group(0) @binding(5) var<storage, read_write> table: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel_run.wgsl"
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
    let base = n * p.K * 3u * p.C + c0;
    let terms = select(0u, p.K * D, live);

    var o0 = 0.0;
    if live { o0 = partial[base]; }
    var s = 0.0;
    for (var t = lane; t < terms; t += LANES_PER_GROUP) {
        let k = t / D;
        let at = base + k * 3u * p.C + t % D;
        s += f32(run_count(k, p.HW, p.R, p.T)) * (partial[at] - o0 + partial[at + p.C]);
    }
    let count = f32(p.HW) * f32(D);
    let d = lane_sum(s, local, lane) / count;
    var q = 0.0;
    for (var t = lane; t < terms; t += LANES_PER_GROUP) {
        let k = t / D;
        let at = base + k * 3u * p.C + t % D;
        let e = partial[at] - o0 + partial[at + p.C] - d;
        q += partial[at + 2u * p.C] + f32(run_count(k, p.HW, p.R, p.T)) * e * e;
    }
    let r = 1.0 / sqrt(lane_sum(q, local, lane) / count + p.eps);
    // hi = o0 and lo = d as they are: (o0 + d) and what its rounding left out, a compiler may simplify to o0 + d and 0
    let hi = o0;
    let lo = d;

    if !live { return; }
    for (var e = lane; e < D; e += LANES_PER_GROUP) {
        let c = c0 + e;
        var a = r;
        var b = 0.0;
        if HAS_AFFINE != 0u {
            a = r * gamma[c];
            b = beta[c];
        }
        if HAS_SCALE != 0u {
            let s1 = 1.0 + f32(scale[n * p.stride + c]);
            a *= s1;
            b = b * s1 + f32(shift[n * p.stride + p.shiftAt + c]);
        }
        let at = n * 5u * p.C + c;
        table[at] = hi;
        table[at + p.C] = lo;
        table[at + 2u * p.C] = r;
        table[at + 3u * p.C] = a;
        table[at + 4u * p.C] = b - a * lo;
    }
}
