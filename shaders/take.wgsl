// Rows by their numbers.
//   y[n, i, e] = x[n, index[i], e], and 0 where index[i] = 2^32 - 1
//
// x      [N, P, E]
// index  [Q]
// y      [N, Q, E]  E counts floats
//
// Dispatch: one invocation per float of y.
//
// Why: with the numbers of the rows turned around it is its own adjoint, as long as no row is taken twice. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, P: u32, Q: u32, E: u32 }

@group(0) @binding(0) var<storage, read> x: array<Elem>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let row = o / p.E;
    let sample = row / p.Q;
    let from_row = index[row - sample * p.Q];
    var s = Elem(0.0);
    if from_row < p.P { s = x[(sample * p.P + from_row) * p.E + (o - row * p.E)]; }
    y[o] = s;
}
