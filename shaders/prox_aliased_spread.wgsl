// Half spectrum of a low-resolution picture, zeros put between its pixels and blurred backwards.
//   x[K] = conj(B[K]) t[K mod (h, w)]
//
// b  [M, H, W, D], M 1 or N, D 1 or C: the optical transfer function
// t  [N, floor(h/2) + 1, w, C]  half spectra of h x w pictures
// x  [N, floor(H/2) + 1, W, C]  half spectra of H x W pictures, H = f h, W = f w
//
// Dispatch: one invocation per number of x.
//
// Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, h: u32, w: u32, H: u32, W: u32, C: u32, D: u32, M: u32 }

@group(0) @binding(0) var<storage, read> b: array<Complex>;
@group(0) @binding(1) var<storage, read> t: array<Complex>;
@group(0) @binding(2) var<storage, read_write> x: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/complex.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let pixel = i / p.C;
    let c = i - pixel * p.C;
    let row = pixel / p.W;
    let X = pixel - row * p.W;
    let halves = p.H / 2u + 1u;
    let picture = row / halves;
    let Y = row - picture * halves;
    let g = b[(((picture % p.M) * p.H + Y) * p.W + X) * p.D + c * p.D / p.C];
    let ky = Y % p.h;
    let kx = X % p.w;
    let mirrored = ky > p.h / 2u;
    let y_at = select(ky, p.h - ky, mirrored);
    let x_at = select(kx, select(p.w - kx, 0u, kx == 0u), mirrored);
    let u = t[((picture * (p.h / 2u + 1u) + y_at) * p.w + x_at) * p.C + c];
    x[i] = cmul(conj(g), select(u, conj(u), mirrored));
}
