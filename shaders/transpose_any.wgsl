// Transposition of matrices of any size.
//   y[z, c, r] = x[z, r, c]
//
// x [Z, R, C]      y [Z, C, R]
//
// Dispatch: one invocation per element, r changing fastest.
//
// Ceiling: bytes.

override WG: u32 = 64;

struct Params { Z: u32, R: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<Elem>;
@group(0) @binding(1) var<storage, read_write> y: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.Z * p.R * p.C { return; }
    let r = i % p.R;
    let c = i / p.R % p.C;
    let z = i / p.R / p.C;
    y[i] = x[(z * p.R + r) * p.C + c];
}
