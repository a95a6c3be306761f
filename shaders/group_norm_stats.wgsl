// Statistics of runs of pixels, the first of the three passes of group normalisation.
//   o = x[first],   d = mean(x - o),   M2 = sum (x - o - d)^2       over the run, for each channel
//
// x        [N, HW, CA]     x2 [N, HW, C - CA]   optional: channels that follow those of x
// partial  [N, K, 3, C]    (o, d, M2) of run k
//
// Dispatch: one invocation per run and vector of LANES channels.
//
// Why: channels are innermost, so a group is a strided set; lanes go along channels and no two of them have to meet.
// Taking off the run's first value keeps one reading as accurate as two: a mean far above the noise cancels exactly.
// Ceiling: bytes.

override WG: u32 = 64;
override HAS_X2: u32 = 0;

struct Params { n: u32, HW: u32, CV: u32, CA: u32, K: u32, R: u32, T: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> x2: array<V>;
@group(0) @binding(2) var<storage, read_write> partial: array<VF>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel_run.wgsl"

fn load(pixel: u32, v: u32) -> VF {
    if HAS_X2 != 0u && v >= p.CA { return VF(x2[pixel * (p.CV - p.CA) + v - p.CA]); }
    return VF(x[pixel * p.CA + v]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let run = pixel_run(i, p.HW, p.CV, p.K, p.R, p.T);
    var pixel = run.n * p.HW + run.first;
    var o = VF(0.0);
    var s = VF(0.0);
    var s2 = VF(0.0);
    if run.count > 0u { o = load(pixel, run.v); }
    for (var j = 1u; j < run.count; j++) {
        pixel += p.R;
        let d = load(pixel, run.v) - o;
        s += d;
        s2 += d * d;
    }
    let d = s / f32(max(run.count, 1u));
    let at = (run.n * p.K + run.k) * 3u * p.CV + run.v;
    partial[at] = o;
    partial[at + p.CV] = d;
    partial[at + 2u * p.CV] = max(s2 - s * d, VF(0.0));
}
