// The adjoint of bilinear resizing: each pixel gathers from the results that it was part of.
//   dx[n, a, b, c] = sum_{i, j} h(i, a) h(j, b) dy[n, i, j, c]        h as in bilinear.wgsl
//
// dy [N, Ho, Wo, C]
// dx [N, H, W, C]
//
// Dispatch: one invocation per vector of LANES channels of dx. C counts vectors.
//
// Why: h(i, a) is not 0 for one run of i, whose ends are known in whole numbers: no atomics. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32 }

@group(0) @binding(0) var<storage, read> dy: array<V>;
@group(0) @binding(1) var<storage, read_write> dx: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"
#include "lib/bilinear_tap.wgsl"

struct Run { first: u32, end: u32 }

// the i of h(i, a) > 0: (2 a - 1) size < (2 i + 1) length < (2 a + 3) size, without a bound at the ends of the row
fn run(a: u32, length: u32, size: u32) -> Run {
    let first = ((2u * max(a, 1u) - 1u) * size + length) / (2u * length);
    let end = ((2u * a + 3u) * size + length - 1u) / (2u * length);
    return Run(select(first, 0u, a == 0u), select(min(end, size), size, a + 1u == length));
}

fn weight(i: u32, a: u32, length: u32, size: u32) -> f32 {
    let tap = bilinear_tap(i, length, size);
    return select(0f, 1f - tap.t, tap.a == a) + select(0f, tap.t, tap.b == a);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.W, p.H);
    let rows = run(at.y, p.H, p.Ho);
    let columns = run(at.x, p.W, p.Wo);
    var s = VF(0.0);
    for (var i = rows.first; i < rows.end; i++) {
        var line = VF(0.0);
        for (var j = columns.first; j < columns.end; j++) {
            line += weight(j, at.x, p.W, p.Wo) * VF(dy[((at.n * p.Ho + i) * p.Wo + j) * p.C + at.c]);
        }
        s += weight(i, at.y, p.H, p.Ho) * line;
    }
    dx[o] = V(s);
}
