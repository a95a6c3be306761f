// Adds overlapping tiles up into a picture: the adjoint of cutting it.
//   y[n, h, w, c] = sum over the tiles (j, i) that cover (h, w) of x[(n Ty + j) Tx + i, h - j S, w - i S, c]
//
// x [N Ty Tx, T, T, C / LANES]
// y [N, H, W, C / LANES]
//
// Dispatch: one invocation per vector of y; it gathers, so that no two write to one place. Ceiling: bytes.

override WG: u32 = 64;

struct Params { H: u32, W: u32, C: u32, Ty: u32, Tx: u32, T: u32, S: u32, n: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// the first tile along an axis that reaches position h
fn first(h: u32) -> u32 {
    return select(0u, (h - p.T) / p.S + 1u, h >= p.T);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let k = linear_index(id, groups);
    if k >= p.n { return; }
    let c = k % p.C;
    let w = k / p.C % p.W;
    let h = k / (p.C * p.W) % p.H;
    let n = k / (p.C * p.W * p.H);
    var sum = VF(0.0);
    for (var j = first(h); j < p.Ty && j * p.S <= h; j++) {
        for (var i = first(w); i < p.Tx && i * p.S <= w; i++) {
            let tile = (n * p.Ty + j) * p.Tx + i;
            sum += VF(x[((tile * p.T + h - j * p.S) * p.T + w - i * p.S) * p.C + c]);
        }
    }
    y[k] = V(sum);
}
