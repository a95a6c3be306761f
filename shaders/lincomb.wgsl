// Linear combination of up to four tensors.
//   out = ca * a + cb * b + cc * c + cd * d
//
// a, b, c, d, out [n / LANES]
//
// Dispatch: one invocation per vector of LANES elements.
//
// Why: every update of every sampler is one of these, so it is one pass over memory. Ceiling: bytes.

override WG: u32 = 64;
override TERMS: u32 = 4;

struct Params { n: u32, ca: f32, cb: f32, cc: f32, cd: f32 }

@group(0) @binding(0) var<storage, read> a: array<V>;
@group(0) @binding(1) var<storage, read> b: array<V>;
@group(0) @binding(2) var<storage, read> c: array<V>;
@group(0) @binding(3) var<storage, read> d: array<V>;
@group(0) @binding(4) var<storage, read_write> out: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    // a factor of zero drops its term, also where the term is not finite
    var s = VF(0.0);
    if p.ca != 0.0 { s += p.ca * VF(a[i]); }
    if TERMS > 1u && p.cb != 0.0 { s += p.cb * VF(b[i]); }
    if TERMS > 2u && p.cc != 0.0 { s += p.cc * VF(c[i]); }
    if TERMS > 3u && p.cd != 0.0 { s += p.cd * VF(d[i]); }
    out[i] = V(s);
}
