// Gradient of group normalisation in its input.
//   dz = dy or dy silu'(z),  xh = (x - mu) r;   dx = a dz - r (m1 + xh m2),   a = r gamma (1 + scale)
//   m1, m2 = means over the group of gamma (1 + scale) dz and of gamma (1 + scale) dz xh
//
// x      [N, HW, CA]     x2 [N, HW, C - CA]   optional
// dy     [N, HW, C]
// table  [N, 5, C]       (hi, lo, r, a, b)    means [N, 4, C]   (m1, m2, ..)
// dx     as x            dx2 as x2
//
// Dispatch: one invocation per run of pixels and vector of LANES channels. Ceiling: bytes.

override WG: u32 = 64;
override HAS_X2: u32 = 0;
override SILU: u32 = 0;

struct Params { n: u32, HW: u32, CV: u32, CA: u32, K: u32, R: u32, T: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> x2: array<V>;
@group(0) @binding(2) var<storage, read> dy: array<V>;
@group(0) @binding(3) var<storage, read> table: array<VF>;
@group(0) @binding(4) var<storage, read> means: array<VF>;
@group(0) @binding(5) var<storage, read_write> dx: array<V>;
@group(0) @binding(6) var<storage, read_write> dx2: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel_run.wgsl"
#include "lib/silu.wgsl"

fn load(pixel: u32, v: u32) -> VF {
    if HAS_X2 != 0u && v >= p.CA { return VF(x2[pixel * (p.CV - p.CA) + v - p.CA]); }
    return VF(x[pixel * p.CA + v]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let run = pixel_run(i, p.HW, p.CV, p.K, p.R, p.T);
    let at = run.n * 5u * p.CV + run.v;
    let hi = table[at];
    let lo = table[at + p.CV];
    let r = table[at + 2u * p.CV];
    let a = table[at + 3u * p.CV];
    let b = table[at + 4u * p.CV];
    let m = run.n * 4u * p.CV + run.v;
    let m1 = r * means[m];
    let m2 = r * r * means[m + p.CV];
    var pixel = run.n * p.HW + run.first;
    for (var j = 0u; j < run.count; j++) {
        let d = load(pixel, run.v) - hi;
        var dz = VF(dy[pixel * p.CV + run.v]);
        if SILU != 0u { dz *= silu_slope(a * d + b); }
        let g = V(a * dz - m1 - m2 * (d - lo));
        if HAS_X2 != 0u && run.v >= p.CA { dx2[pixel * (p.CV - p.CA) + run.v - p.CA] = g; } else { dx[pixel * p.CA + run.v] = g; }
        pixel += p.R;
    }
}
