// Half spectrum of what a blurred and decimated picture lacks, solved for: the low-resolution half of prox_aliased.
//   t[k] = s (Y[k] + sign mean over K of B[K] V[K]) / (s mean over K of |B[K]|^2 + r),  K = k + (i h, j w), i, j < f
//
// b  [M, H, W, D], M 1 or N, D 1 or C: the optical transfer function
// y  [N, floor(h/2) + 1, w, C]  half spectra of h x w pictures. Absent: 0.
// v  [N, floor(H/2) + 1, W, C]  half spectra of H x W pictures, H = f h, W = f w. Absent: 0.
// t  like y; 0 where nothing decides
//
// Dispatch: one invocation per number of t; it reads the f^2 frequencies that decimation folds into one.
//
// Why: the aliases are distinct blocks of the spectrum, not neighbours. Ceiling: bytes.

override WG: u32 = 64;
override HAS_Y: bool = true;
override HAS_V: bool = true;

struct Params { n: u32, h: u32, w: u32, H: u32, W: u32, C: u32, D: u32, M: u32, f: u32, sign: f32, s: f32, r: f32 }

@group(0) @binding(0) var<storage, read> b: array<Complex>;
@group(0) @binding(1) var<storage, read> y: array<Complex>;
@group(0) @binding(2) var<storage, read> v: array<Complex>;
@group(0) @binding(3) var<storage, read_write> t: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/complex.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let pixel = i / p.C;
    let c = i - pixel * p.C;
    let row = pixel / p.w;
    let kx = pixel - row * p.w;
    let halves = p.h / 2u + 1u;
    let picture = row / halves;
    let ky = row - picture * halves;
    let d = c * p.D / p.C;

    var sum = Complex();
    var power = 0.0;
    for (var a = 0u; a < p.f; a++) {
        let Y = ky + a * p.h;
        // beyond the half that is kept stands the conjugate of the mirror image
        let mirrored = Y > p.H / 2u;
        let y_at = select(Y, p.H - Y, mirrored);
        for (var e = 0u; e < p.f; e++) {
            let X = kx + e * p.w;
            let g = b[(((picture % p.M) * p.H + Y) * p.W + X) * p.D + d];
            power += dot(g, g);
            if HAS_V {
                let x_at = select(X, select(p.W - X, 0u, X == 0u), mirrored);
                let u = v[((picture * (p.H / 2u + 1u) + y_at) * p.W + x_at) * p.C + c];
                sum += cmul(g, select(u, conj(u), mirrored));
            }
        }
    }
    let count = f32(p.f * p.f);
    var rest = p.sign * sum / count;
    if HAS_Y { rest += y[i]; }
    let below = p.s * power / count + p.r;
    t[i] = select(Complex(), p.s * rest / below, below > 0.0);
}
