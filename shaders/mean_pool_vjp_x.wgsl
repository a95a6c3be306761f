// The adjoint of the mean over windows.
//   dx[n, a, b, c] = sum over the windows (i, j) that hold (a, b) of dy[n, i, j, c] / (pixels of the window in the image)
//
// dy [N, Ho, Wo, C]
// dx [N, H, W, C]
//
// Dispatch: one invocation per vector of LANES channels of dx. C counts vectors.
//
// Why: gathered, so that there are no atomics and one order of summation. Ceiling: bytes.

override WG: u32 = 64;

struct Params {
    n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, size: u32, stride: u32, padding: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<V>;
@group(0) @binding(1) var<storage, read_write> dx: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"
#include "lib/pool_window.wgsl"

fn width(s: Span) -> u32 { return s.end - s.first; }

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.W, p.H);
    let rows = pixel_windows(at.y, p.Ho);
    let columns = pixel_windows(at.x, p.Wo);
    var s = VF(0.0);
    for (var i = rows.first; i < rows.end; i++) {
        let height = width(window_pixels(i, p.H));
        for (var j = columns.first; j < columns.end; j++) {
            let pixels = f32(height * width(window_pixels(j, p.W)));
            s += VF(dy[((at.n * p.Ho + i) * p.Wo + j) * p.C + at.c]) / pixels;
        }
    }
    dx[o] = V(s);
}
