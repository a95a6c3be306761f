// Channels in another order, with some left out or filled with zeros.
//   y[r, (i B + j) D + l] = x[r, i sa + j sb + l sd]   or 0 where l >= limit
//
// x [rows, CX]     y [rows, A B D]
//
// Dispatch: one invocation per element of y. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, CX: u32, CY: u32, B: u32, D: u32, sa: u32, sb: u32, sd: u32, limit: u32 }

@group(0) @binding(0) var<storage, read> x: array<Elem>;
@group(0) @binding(1) var<storage, read_write> y: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    if index >= p.n { return; }
    let c = index % p.CY;
    let l = c % p.D;
    let j = c / p.D % p.B;
    let i = c / (p.D * p.B);
    var v = Elem(0.0);
    if l < p.limit { v = x[index / p.CY * p.CX + i * p.sa + j * p.sb + l * p.sd]; }
    y[index] = v;
}
