// Bilinear resizing, corners not aligned, no filter before: PyTorch's interpolate(mode="bilinear").
//   y[n, i, j, c] = sum_{a, b} h(i, a) h(j, b) x[n, a, b, c]
//   h(i, a) = max(0, 1 - |s(i) - a|),  s(i) = (i + 1/2) H / Ho - 1/2, at least 0 and at most H - 1
//
// x [N, H, W, C]
// y [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: four reads a result; the weights are computed where they are needed. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"
#include "lib/bilinear_tap.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.Wo, p.Ho);
    let row = bilinear_tap(at.y, p.H, p.Ho);
    let column = bilinear_tap(at.x, p.W, p.Wo);
    let above = (at.n * p.H + row.a) * p.W;
    let below = (at.n * p.H + row.b) * p.W;
    let left = column.a * p.C + at.c;
    let right = column.b * p.C + at.c;
    let upper = mix(VF(x[above * p.C + left]), VF(x[above * p.C + right]), VF(column.t));
    let lower = mix(VF(x[below * p.C + left]), VF(x[below * p.C + right]), VF(column.t));
    y[o] = V(mix(upper, lower, VF(row.t)));
}
