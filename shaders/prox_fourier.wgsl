// Pointwise solve in the Fourier domain: the data step of circular blur, or the blur itself.
//   X = (s conj(B) Y + r V) / (s |B|^2 + r),  X = V where B = 0 or nothing decides;  B in place of conj(B): the adjoint in Y
//   SOLVE false:  X = B Y, or conj(B) Y
//
// b        [M, full, D], M 1 or N, D 1 or C: the optical transfer function, of which the spectra may be the first rows
// y, v, x  [N, size, C]. Absent: 0.
//
// Dispatch: one invocation per number of x.
//
// Ceiling: bytes.

override WG: u32 = 64;
override SOLVE: bool = true;
override CONJ: bool = true;
override HAS_Y: bool = true;
override HAS_V: bool = true;

struct Params { n: u32, size: u32, full: u32, C: u32, D: u32, M: u32, s: f32, r: f32 }

@group(0) @binding(0) var<storage, read> b: array<Complex>;
@group(0) @binding(1) var<storage, read> y: array<Complex>;
@group(0) @binding(2) var<storage, read> v: array<Complex>;
@group(0) @binding(3) var<storage, read_write> x: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/complex.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let row = i / p.C;
    let channel = i - row * p.C;
    let picture = row / p.size;
    let pixel = row - picture * p.size;
    let g = b[((picture % p.M) * p.full + pixel) * p.D + channel * p.D / p.C];
    var up = Complex();
    if HAS_Y { up = cmul(select(g, conj(g), CONJ), y[i]); }
    if SOLVE {
        let power = p.s * dot(g, g);
        var old = Complex();
        if HAS_V { old = v[i]; }
        up = p.s * up + p.r * old;
        let below = power + p.r;
        up = select(old, up / below, power > 0.0);
    }
    x[i] = up;
}
