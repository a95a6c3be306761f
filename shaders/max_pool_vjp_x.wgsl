// The adjoint of taking the maximum: each window's cotangent goes to its largest pixel.
//   dx[n, a, b, c] = sum of dy[n, i, j, c] over the windows (i, j) whose argmax of x is (a, b), the first of equals
//
// x, dx [N, H, W, C]
// dy    [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of dx. C counts vectors.
//
// Why: each pixel looks again for the largest of the few windows that hold it: no indices to keep, no atomics, one order
// of summation. Ceiling: bytes.

override WG: u32 = 64;

struct Params {
    n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, size: u32, stride: u32, padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> dy: array<V>;
@group(0) @binding(2) var<storage, read_write> dx: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"
#include "lib/pool_window.wgsl"

// 1 where pixel `me` is the largest of the window, else 0
fn wins(me: u32, image: u32, c: u32, rows: Span, columns: Span) -> VF {
    let begin = ((image + rows.first) * p.W + columns.first) * p.C + c;
    var best = VF(x[begin]);
    var mine = VF(f32(begin == me));
    for (var a = rows.first; a < rows.end; a++) {
        for (var b = columns.first; b < columns.end; b++) {
            let i = ((image + a) * p.W + b) * p.C + c;
            let v = VF(x[i]);
            mine = select(mine, VF(f32(i == me)), v > best);
            best = max(best, v);
        }
    }
    return mine;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.W, p.H);
    let rows = pixel_windows(at.y, p.Ho);
    let columns = pixel_windows(at.x, p.Wo);
    var s = VF(0.0);
    for (var i = rows.first; i < rows.end; i++) {
        for (var j = columns.first; j < columns.end; j++) {
            let won = wins(o, at.n * p.H, at.c, window_pixels(i, p.H), window_pixels(j, p.W));
            s += won * VF(dy[((at.n * p.Ho + i) * p.Wo + j) * p.C + at.c]);
        }
    }
    dx[o] = V(s);
}
