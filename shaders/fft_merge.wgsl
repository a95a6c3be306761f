// Spectra of pairs of real columns as complex numbers, from their half spectra: puts together what fft_split took apart.
//   Z[k] = A[k] + i B[k],  A[n-k] = conj A[k];  A and B are t times what is stored, t = inside where 0 < k < n/2, else 1
//
// x  [N, h, E], h = floor(n/2) + 1: A in even columns, B in odd ones. Of k = 0 and n/2 only re counts.
// z  [N, n, P], P = ceil(E/2)
//
// Dispatch: one invocation per (picture, k, pair).
//
// Ceiling: bytes.

override WG: u32 = 64;

struct Params { total: u32, n: u32, h: u32, pairs: u32, columns: u32, inside: f32 }

@group(0) @binding(0) var<storage, read> x: array<Complex>;
@group(0) @binding(1) var<storage, read_write> z: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.total { return; }
    let row = i / p.pairs;
    let e = i - row * p.pairs;
    let picture = row / p.n;
    let k = row - picture * p.n;
    let minus = select(p.n - k, 0u, k == 0u);
    let at = (picture * p.h + min(k, minus)) * p.columns + 2u * e;
    var a = x[at];
    var b = Complex();
    if 2u * e + 1u < p.columns { b = x[at + 1u]; }
    // im is mirrored with its sign turned, and a real column has none at k = 0 and n/2
    let re = select(p.inside, 1.0, k == minus);
    let im = select(select(-p.inside, p.inside, k < minus), 0.0, k == minus);
    a *= Complex(re, im);
    b *= Complex(re, im);
    z[i] = Complex(a.x - b.y, a.y + b.x);
}
