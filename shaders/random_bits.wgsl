// Random words.
//   bits[4 i + k] = word k of philox(counter (i, call, stream), key)
//
// bits [n]
//
// Dispatch: one invocation per 4 words.
//
// Why: integer arithmetic only, so every adapter gives the same. Ceiling: integer operations.

override WG: u32 = 64;

struct Params { n: u32, call: u32, stream0: u32, stream1: u32, key0: u32, key1: u32 }

@group(0) @binding(0) var<storage, read_write> bits: array<u32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/random.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    let at = 4u * i;
    if at >= p.n { return; }
    let w = philox(vec4u(i, p.call, p.stream0, p.stream1), vec2u(p.key0, p.key1));
    bits[at] = w.x;
    if at + 1u < p.n { bits[at + 1u] = w.y; }
    if at + 2u < p.n { bits[at + 2u] = w.z; }
    if at + 3u < p.n { bits[at + 3u] = w.w; }
}
