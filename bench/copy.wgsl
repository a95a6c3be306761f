// What memory can do: a plain copy.
//   y = x
//
// x, y [n] of vec4
//
// Dispatch: one invocation per vec4.

override WG: u32 = 64;

struct Params { n: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i < p.n { y[i] = x[i]; }
}
