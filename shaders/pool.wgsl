// Sum over the blocks of an image, scaled: the block average when scale = 1 / r^2.
//   y[n, i, j, c] = scale * sum_{a < r, b < r} x[n, r i + a, r j + b, c]
//
// x [N, H, W, C]
// y [N, Ho, Wo, C]      Ho <= H / r, Wo <= W / r
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: each input is read once, by one invocation. r is a parameter and not a constant, because lavapipe takes 7 s to
// compile the unrolled 7 x 7. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, r: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.Wo, p.Ho);
    let first = ((at.n * p.H + at.y * p.r) * p.W + at.x * p.r) * p.C + at.c;
    var s = VF(0.0);
    for (var a = 0u; a < p.r; a++) {
        for (var b = 0u; b < p.r; b++) {
            s += VF(x[first + (a * p.W + b) * p.C]);
        }
    }
    y[o] = V(p.scale * s);
}
