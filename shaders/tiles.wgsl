// Cuts a picture into overlapping tiles.
//   y[(n Ty + j) Tx + i, v, u, c] = x[n, j S + v, i S + u, c]
//
// x [N, H, W, C / LANES]
// y [N Ty Tx, T, T, C / LANES]
//
// Dispatch: one invocation per vector of y. Ceiling: bytes.

override WG: u32 = 64;

struct Params { H: u32, W: u32, C: u32, Ty: u32, Tx: u32, T: u32, S: u32, n: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let k = linear_index(id, groups);
    if k >= p.n { return; }
    let c = k % p.C;
    let u = k / p.C % p.T;
    let v = k / (p.C * p.T) % p.T;
    let tile = k / (p.C * p.T * p.T);
    let i = tile % p.Tx;
    let j = tile / p.Tx % p.Ty;
    let n = tile / (p.Tx * p.Ty);
    y[k] = x[((n * p.H + j * p.S + v) * p.W + i * p.S + u) * p.C + c];
}
