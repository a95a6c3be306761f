// From floats to halves.
//   y = x, rounded to a half
//
// x, y [n / LANES]
//
// Dispatch: one invocation per vector of LANES elements.
//
// Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32 }

@group(0) @binding(0) var<storage, read> x: array<VF>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    y[i] = V(x[i]);
}
