// Transposition of matrices.
//   y[z, c, r] = x[z, r, c]
//
// x [Z, R, C / 4]      y [Z, C, R / 4]
//
// Dispatch: one invocation per block of 4 x 4 elements, c changing fastest.
//
// Why: by blocks of 4 x 4 both sides are read and written as vectors. Ceiling: bytes.

override WG: u32 = 64;

// R and C are counted in vectors
struct Params { Z: u32, R: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<Elem4>;
@group(0) @binding(1) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.Z * p.R * p.C { return; }
    let c = i % p.C;
    let r = i / p.C % p.R;
    let z = i / p.C / p.R;
    let at = (z * p.R + r) * 4u * p.C + c;
    let t = transpose(mat4x4<Elem>(x[at], x[at + p.C], x[at + 2u * p.C], x[at + 3u * p.C]));
    let into = (z * p.C + c) * 4u * p.R + r;
    y[into] = t[0];
    y[into + p.R] = t[1];
    y[into + 2u * p.R] = t[2];
    y[into + 3u * p.R] = t[3];
}
