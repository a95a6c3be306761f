// What arithmetic can do: eight independent chains of fma, from registers.
//   v = v * a + b, `rounds` times
//
// x [4]      one vector of factors
// y [n]      one vec4 per invocation, so that nothing is optimised away
//
// Dispatch: one invocation per vec4 of y: 8 chains * 4 lanes * 2 operations * rounds each.

override WG: u32 = 64;

struct Params { n: u32, rounds: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let a = x[0];
    let b = x[0] + f32(i);
    var v0 = b;
    var v1 = b + 1.0;
    var v2 = b + 2.0;
    var v3 = b + 3.0;
    var v4 = b + 4.0;
    var v5 = b + 5.0;
    var v6 = b + 6.0;
    var v7 = b + 7.0;
    for (var k = 0u; k < p.rounds; k++) {
        v0 = fma(v0, a, b);
        v1 = fma(v1, a, b);
        v2 = fma(v2, a, b);
        v3 = fma(v3, a, b);
        v4 = fma(v4, a, b);
        v5 = fma(v5, a, b);
        v6 = fma(v6, a, b);
        v7 = fma(v7, a, b);
    }
    y[i] = (v0 + v1) + (v2 + v3) + (v4 + v5) + (v6 + v7);
}
