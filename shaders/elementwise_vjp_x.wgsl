// The gradient of `elementwise` for its input.
//   dx = f'(x) dy
//
// x, dy, dx [n / LANES]
//
// Dispatch: one invocation per vector of LANES elements.
//
// Why: f' from x alone, so that only x is kept. SiLU: s + x s (1 - s) with s = sigmoid(x). Ceiling: bytes.

override WG: u32 = 64;
override OP: u32 = 0;

struct Params { n: u32, a: f32, b: f32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> dy: array<V>;
@group(0) @binding(2) var<storage, read_write> dx: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/functions.wgsl"

const ZERO = VF(0.0);
const ONE = VF(1.0);

fn derivative(x: VF) -> VF {
    switch OP {
        case 0u: {
            let s = sigmoid(x);
            return s + x * (s * sigmoid(-x));
        }
        case 1u: { return select(ZERO, ONE, x > ZERO); }
        case 2u: { return select(VF(p.a), ONE, x > ZERO); }
        case 3u: {
            let e = exp(-2.0 * abs(x));
            return 4.0 * e / ((1.0 + e) * (1.0 + e));
        }
        case 4u: { return sigmoid(x) * sigmoid(-x); }
        case 5u: { return sigmoid(x); }
        case 6u: { return exp(x); }
        case 7u: { return 1.0 / x; }
        case 8u: { return 0.5 / sqrt(x); }
        case 9u: { return sign(x); }
        case 10u: { return 2.0 * x; }
        case 11u: { return select(ZERO, ONE, x >= VF(p.a)) * select(ZERO, ONE, x <= VF(p.b)); }
        case 12u: { return -1.0 / (x * x); }
        case 13u: { return ONE; }
        default: { return VF(p.a); }
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    dx[i] = V(derivative(VF(x[i])) * VF(dy[i]));
}
