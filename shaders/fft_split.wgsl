// Half spectra of real columns, from the transforms of pairs of neighbouring columns taken as complex numbers.
//   Z = F(a + i b):  A[k] = t (Z[k] + conj Z[-k]) / 2,  B[k] = t (Z[k] - conj Z[-k]) / 2i,  t = inside where 0 < k < n/2, else 1
//
// z  [N, n, P]
// y  [N, h, E], h = floor(n/2) + 1: A in even columns, B in odd ones; E = 2P, or 2P - 1 where the last is padding
//
// Dispatch: one invocation per (picture, k, pair).
//
// Why: pairs of columns lie side by side as re and im already, so half the work is saved without a copy. Ceiling: bytes.

override WG: u32 = 64;

struct Params { total: u32, n: u32, h: u32, pairs: u32, columns: u32, inside: f32 }

@group(0) @binding(0) var<storage, read> z: array<Complex>;
@group(0) @binding(1) var<storage, read_write> y: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/complex.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.total { return; }
    let row = i / p.pairs;
    let e = i - row * p.pairs;
    let picture = row / p.h;
    let k = row - picture * p.h;
    let minus = select(p.n - k, 0u, k == 0u);
    let a = z[(picture * p.n + k) * p.pairs + e];
    let b = conj(z[(picture * p.n + minus) * p.pairs + e]);
    let half = 0.5 * select(p.inside, 1.0, minus == k);
    let to = row * p.columns + 2u * e;
    y[to] = half * (a + b);
    let d = a - b;
    if 2u * e + 1u < p.columns { y[to + 1u] = half * Complex(d.y, -d.x); }
}
