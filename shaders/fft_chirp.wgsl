// Multiplies lines by a table, lengthening them with zeros or shortening them: the ends and the middle of Bluestein's convolution.
//   y[l, j, c] = scale x[l, j, c] f[j] for j < have, else 0;  conj f[j] where flip is -1
//
// x  [L, have, inner]
// f  [min(have, keep)]
// y  [L, keep, inner]
//
// Dispatch: one invocation per number of y.
//
// Ceiling: bytes.

override WG: u32 = 64;

struct Params { total: u32, inner: u32, have: u32, keep: u32, flip: f32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<Complex>;
@group(0) @binding(1) var<storage, read> f: array<Complex>;
@group(0) @binding(2) var<storage, read_write> y: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/complex.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.total { return; }
    let t = i / p.inner;
    let c = i - t * p.inner;
    let l = t / p.keep;
    let j = t - l * p.keep;
    var a = Complex();
    if j < p.have { a = cmul(x[(l * p.have + j) * p.inner + c], p.scale * f[j] * Complex(1.0, p.flip)); }
    y[i] = a;
}
