// Maximum over windows of an image: what `value` holds where x is largest.
//   y[n, i, j, c] = value[n, a, b, c],  (a, b) = argmax of x[n, ., ., c] over window (i, j), the first of equals
//
// x, value [N, H, W, C]      value = x gives the maximum, any other its derivative in that direction
// y        [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: one text is the maximum and the adjoint of its gradient. The padding holds nothing and so never wins.
// Ceiling: bytes.

override WG: u32 = 64;

struct Params {
    n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, size: u32, stride: u32, padding: u32,
}

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> value: array<V>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;
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
    let image = at.n * p.H;
    let begin = ((image + rows.first) * p.W + columns.first) * p.C + at.c;
    var best = VF(x[begin]);
    var s = VF(value[begin]);
    for (var a = rows.first; a < rows.end; a++) {
        for (var b = columns.first; b < columns.end; b++) {
            let i = ((image + a) * p.W + b) * p.C + at.c;
            let v = VF(x[i]);
            s = select(s, VF(value[i]), v > best);
            best = max(best, v);
        }
    }
    y[o] = V(s);
}
