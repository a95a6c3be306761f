// Pixels of an image, taken by an index map per axis: padding, cropping, rolling, flipping, decimation.
//   y[n, i, j, c] = x[n, place(oy + sy i, H), place(ox + sx j, W), c]
//   place(t, size) = t, and where t is outside [0, size) by MODE
//     0 zero: y = value      1 reflect, edge not repeated      2 replicate: the edge      3 circular
//
// x [N, H, W, C]
// y [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: one gather does all of them, so that each has one dispatch and one text to check. Ceiling: bytes.

override WG: u32 = 64;
override MODE: u32 = 0;

struct Params { n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, oy: i32, ox: i32, sy: i32, sx: i32, value: f32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"

fn modulo(t: i32, period: i32) -> i32 {
    return ((t % period) + period) % period;
}

// -1: nothing there
fn place(t: i32, size: i32) -> i32 {
    if t >= 0 && t < size { return t; }
    if MODE == 0u { return -1; }
    if MODE == 2u { return clamp(t, 0, size - 1); }
    if MODE == 3u { return modulo(t, size); }
    let period = max(2 * (size - 1), 1);
    let m = modulo(t, period);
    return min(m, period - m);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.Wo, p.Ho);
    let i = place(p.oy + p.sy * i32(at.y), i32(p.H));
    let j = place(p.ox + p.sx * i32(at.x), i32(p.W));
    var s = V(VF(p.value));
    if i >= 0 && j >= 0 {
        s = x[((at.n * p.H + u32(i)) * p.W + u32(j)) * p.C + at.c];
    }
    y[o] = s;
}
