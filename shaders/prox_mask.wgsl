// Proximal step of a mask or of weights: argmin |m x - y|^2 / 2 + rho |x - v|^2 / 2, elementwise.
//   x = (s m y + r v) / (s m^2 + r),  s = 1 / max(1, rho), r = rho s;  x = v where m = 0, or where nothing decides
//
// mask  [M, HW, D], M 1 or N, D 1 or C
// y, v  [N, HW, E]  E = C floats to a pixel, 2C where numbers are complex. Absent: 0.
// x     [N, HW, E]
//
// Dispatch: one invocation per float.
//
// Why: with both sides scaled by the larger of 1 and rho, every rho from 0 to infinity is the one formula. Ceiling: bytes.

override WG: u32 = 64;
override HAS_Y: bool = true;
override HAS_V: bool = true;

struct Params { n: u32, E: u32, D: u32, pixels: u32, s: f32, r: f32 }

@group(0) @binding(0) var<storage, read> mask: array<f32>;
@group(0) @binding(1) var<storage, read> y: array<Elem>;
@group(0) @binding(2) var<storage, read> v: array<Elem>;
@group(0) @binding(3) var<storage, read_write> x: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let pixel = i / p.E;
    let e = i - pixel * p.E;
    let m = mask[(pixel % p.pixels) * p.D + e * p.D / p.E];
    let below = p.s * m * m + p.r;
    var b = 0.0;
    if HAS_V { b = f32(v[i]); }
    var out = b;
    if m != 0.0 && below > 0.0 {
        var a = 0.0;
        if HAS_Y { a = f32(y[i]); }
        out = (p.s * m * a + p.r * b) / below;
    }
    x[i] = Elem(out);
}
