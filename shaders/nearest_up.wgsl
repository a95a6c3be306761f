// Each pixel repeated r x r times, scaled; or placed at the corner of a block of zeros.
//   y[n, i, j, c] = scale * x[n, i / r, j / r, c]          (INSERT: where i and j are multiples of r, else 0)
//   zero where i / r >= H or j / r >= W
//
// x [N, H, W, C]
// y [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: the adjoint of `pool`, also where r does not divide the size; with INSERT that of taking every r-th pixel.
// Ceiling: bytes.

override WG: u32 = 64;
override R: u32 = 2;
override INSERT: bool = false;

struct Params { n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, scale: f32 }

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
    let i = at.y / R;
    let j = at.x / R;
    var s = VF(0.0);
    if i < p.H && j < p.W && (!INSERT || (i * R == at.y && j * R == at.x)) {
        s = p.scale * VF(x[((at.n * p.H + i) * p.W + j) * p.C + at.c]);
    }
    y[o] = V(s);
}
