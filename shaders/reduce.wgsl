// One step of a sum: folds rows of length L to rows of length W.
//   out[o, j] = scale * sum_k g(x[o, k W + j]),   k W + j < L
//   g(x) = x, x^2, or x * z
//
// x, z [O, L / LANES]      out [O, W / LANES], f32
//
// Dispatch: one invocation per vector of LANES elements of out.
//
// Why: a sum over R of [O, R, I] is a fold to W = S I with S segments, then a fold of that, until W = I. Neighbouring
// invocations read neighbouring elements whatever I is, with no barrier. Sums of 8 are summed: pairwise enough that the
// rounding error does not grow with the count. Ceiling: bytes.

override WG: u32 = 64;
override MODE: u32 = 0;

struct Params { n: u32, L: u32, W: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> z: array<V>;
@group(0) @binding(2) var<storage, read_write> out: array<VF>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

fn term(i: u32) -> VF {
    let v = VF(x[i]);
    switch MODE {
        case 1u: { return v * v; }
        case 2u: { return v * VF(z[i]); }
        default: { return v; }
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let o = i / p.W;
    let end = (o + 1u) * p.L;
    var at = o * p.L + (i - o * p.W);
    var sum = VF(0.0);
    while at < end {
        var part = VF(0.0);
        for (var k = 0u; k < 8u && at < end; k++) {
            part += term(at);
            at += p.W;
        }
        sum += part;
    }
    out[i] = VF(p.scale * sum);
}
