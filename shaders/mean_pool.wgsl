// Mean over windows of an image, of the pixels that lie in it.
//   y[n, i, j, c] = sum of x[n, a, b, c] over the pixels (a, b) of window (i, j), divided by their number
//
// x [N, H, W, C]
// y [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: PyTorch's count_include_pad = False, which the blocks of pool.wgsl cannot say. Ceiling: bytes.

override WG: u32 = 64;

struct Params {
    n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, size: u32, stride: u32, padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"
#include "lib/pool_window.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.Wo, p.Ho);
    let rows = window_pixels(at.y, p.H);
    let columns = window_pixels(at.x, p.W);
    var s = VF(0.0);
    for (var a = rows.first; a < rows.end; a++) {
        for (var b = columns.first; b < columns.end; b++) {
            s += VF(x[((at.n * p.H + a) * p.W + b) * p.C + at.c]);
        }
    }
    y[o] = V(s / f32((rows.end - rows.first) * (columns.end - columns.first)));
}
