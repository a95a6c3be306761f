// One pass of a discrete Fourier transform along an axis: Stockham's autosort, radix R.
//   y[l, d + r s, c] = sum_q x[l, j + q m, c] w^(q k n/(R s)) exp(-2 pi i q r / R)
//   j < m = n/R,  k = j mod s,  d = (j - k) R + k,  w = exp(-2 pi i / n),  s = product of the radices before
//
// x  [L, n, inner]
// w  [n]            powers of w
// y  [L, n, inner]  times scale
//
// Dispatch: one invocation per (l, j, c), c fastest.
//
// Why: lines stay out of workgroup memory, so any length and stride takes the same passes without a barrier, and
// channels side by side make neighbouring invocations read neighbouring numbers. The inverse swaps re and im at both
// ends: butterflies and tables know one direction. Ceiling: bytes, 16 R per invocation to about 5 R log2 R flops.

override WG: u32 = 64;

struct Params { total: u32, inner: u32, m: u32, s: u32, step: u32, inverse: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<Complex>;
@group(0) @binding(1) var<storage, read> w: array<Complex>;
@group(0) @binding(2) var<storage, read_write> y: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/butterfly.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.total { return; }
    let t = i / p.inner;
    let c = i - t * p.inner;
    let l = t / p.m;
    let j = t - l * p.m;
    let block = j / p.s;
    let k = j - block * p.s;
    let line = l * p.m * RADIX * p.inner + c;

    var v: Line;
    for (var r = 0u; r < RADIX; r++) {
        let a = x[line + (j + r * p.m) * p.inner];
        v[r] = select(a, a.yx, p.inverse != 0u);
    }
    if p.s > 1u { twiddle(&v, k * p.step); }
    butterfly(&v);
    let d = block * p.s * RADIX + k;
    for (var r = 0u; r < RADIX; r++) {
        let a = p.scale * v[slot(r)];
        y[line + (d + r * p.s) * p.inner] = select(a, a.yx, p.inverse != 0u);
    }
}
