// Proximal step of averaging over k x k blocks: argmin |A x - y|^2 / 2 + rho |x - v|^2 / 2.
//   x = v + c (y - mean of v over the block),  c = 1 / (1 + rho k^2)
//
// y  [N, H, W, C]        v, x  [N, kH, kW, C]. Absent: 0.
//
// Dispatch: one invocation per number of y; it reads its block of v twice.
//
// Why: A A^T = 1/k^2, so the correction is one number to a block. Ceiling: bytes.

override WG: u32 = 64;
override HAS_Y: bool = true;
override HAS_V: bool = true;

struct Params { n: u32, W: u32, C: u32, k: u32, c: f32 }

@group(0) @binding(0) var<storage, read> y: array<Elem>;
@group(0) @binding(1) var<storage, read> v: array<Elem>;
@group(0) @binding(2) var<storage, read_write> x: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let pixel = i / p.C;
    let row = pixel / p.W;
    let stride = p.k * p.W * p.C;
    let first = row * p.k * stride + (pixel - row * p.W) * p.k * p.C + (i - pixel * p.C);
    var mean = 0.0;
    if HAS_V {
        for (var a = 0u; a < p.k; a++) {
            for (var b = 0u; b < p.k; b++) { mean += f32(v[first + a * stride + b * p.C]); }
        }
    }
    mean /= f32(p.k * p.k);
    var target_mean = 0.0;
    if HAS_Y { target_mean = f32(y[i]); }
    let add = p.c * (target_mean - mean);
    for (var a = 0u; a < p.k; a++) {
        for (var b = 0u; b < p.k; b++) {
            let at = first + a * stride + b * p.C;
            var old = 0.0;
            if HAS_V { old = f32(v[at]); }
            x[at] = Elem(old + add);
        }
    }
}
