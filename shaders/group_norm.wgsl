// Group normalisation, the pass that writes.
//   z = a[n,c] (x - hi[n,c]) + b[n,c],   y = z or silu(z)
//   which is  (gamma (x - mu) / sqrt(v + eps) + beta) (1 + scale) + shift
//
// x      [N, HW, CA]     x2 [N, HW, C - CA]   optional: channels that follow those of x
// table  [N, 5, C]       (hi, lo, r, a, b) of group_norm_table
// y      [N, HW, C]
//
// Dispatch: one invocation per run of pixels and vector of LANES channels.
//
// Why: one read and one write, whatever is fused; a channel's numbers are read once per run. Ceiling: bytes.

override WG: u32 = 64;
override HAS_X2: u32 = 0;
override SILU: u32 = 0;

struct Params { n: u32, HW: u32, CV: u32, CA: u32, K: u32, R: u32, T: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> x2: array<V>;
@group(0) @binding(2) var<storage, read> table: array<VF>;
@group(0) @binding(3) var<storage, read_write> y: array<V>;
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
    let a = table[at + 3u * p.CV];
    let b = table[at + 4u * p.CV];
    var pixel = run.n * p.HW + run.first;
    for (var j = 0u; j < run.count; j++) {
        var z = a * (load(pixel, run.v) - hi) + b;
        if SILU != 0u { z = silu(z); }
        y[pixel * p.CV + run.v] = V(z);
        pixel += p.R;
    }
}
