// A function of one variable, at every element.
//   y = f(x), f chosen by OP; a and b are its constants
//
// x, y [n / LANES]
//
// Dispatch: one invocation per vector of LANES elements.
//
// Why: one file for the family, since only one expression differs; OP is a constant, so the others are compiled away.
// Ceiling: bytes.

override WG: u32 = 64;
override OP: u32 = 0;

struct Params { n: u32, a: f32, b: f32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/functions.wgsl"

fn f(x: VF) -> VF {
    switch OP {
        case 0u: { return x * sigmoid(x); }
        case 1u: { return max(x, VF(0.0)); }
        case 2u: { return select(p.a * x, x, x > VF(0.0)); }
        case 3u: { return stable_tanh(x); }
        case 4u: { return sigmoid(x); }
        case 5u: { return max(x, VF(0.0)) + log1p(exp(-abs(x))); }
        case 6u: { return exp(x); }
        case 7u: { return log(x); }
        case 8u: { return sqrt(x); }
        case 9u: { return abs(x); }
        case 10u: { return x * x; }
        case 11u: { return clamp(x, VF(p.a), VF(p.b)); }
        case 12u: { return 1.0 / x; }
        case 13u: { return round(x); }
        default: { return p.a * x + p.b; }
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    y[i] = V(f(VF(x[i])));
}
