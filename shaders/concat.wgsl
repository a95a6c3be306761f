// Up to four tensors, row by row, one after the other.
//   y[i] = [a[i], b[i], c[i], d[i]]
//
// a [rows, A]   b [rows, B]   c [rows, C]   d [rows, D]
// y [rows, width]      width = A + B + C + D; those absent have width 0
//
// Dispatch: one invocation per vector of LANES elements of y. All widths count vectors.
//
// Why: a row is a pixel's channels when channels are joined, and a whole tensor when batches are. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, width: u32, A: u32, B: u32, C: u32, D: u32 }

@group(0) @binding(0) var<storage, read> a: array<V>;
@group(0) @binding(1) var<storage, read> b: array<V>;
@group(0) @binding(2) var<storage, read> c: array<V>;
@group(0) @binding(3) var<storage, read> d: array<V>;
@group(0) @binding(4) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let row = o / p.width;
    var k = o - row * p.width;
    if k < p.A { y[o] = a[row * p.A + k]; return; }
    k -= p.A;
    if k < p.B { y[o] = b[row * p.B + k]; return; }
    k -= p.B;
    if k < p.C { y[o] = c[row * p.C + k]; return; }
    y[o] = d[row * p.D + k - p.C];
}
