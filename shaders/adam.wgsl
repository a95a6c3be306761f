// One step of Adam with decoupled weight decay [Kingma & Ba 2015; Loshchilov & Hutter 2019], in place.
//   g = scale * min(1, max_norm / (scale * norm)) * grad                   norm = sqrt(norm_squared[0])
//   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   param = keep * param - rate * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//   ema = decay ema + (1 - decay) param
//   keep = 1 - lr * weight_decay,  rate = lr / (1 - beta1^t)
//
// grad, param, m, v, ema [n / LANES]     norm_squared [1]     ema and norm_squared may be absent
//
// Dispatch: one invocation per vector of LANES elements.
//
// Why: all parameters lie in one buffer, so a step is one pass; the norm stays on the GPU. A gradient whose norm is not
// finite changes nothing. Ceiling: bytes, 7 floats read and written per parameter, 9 with ema.

override WG: u32 = 64;
override CLIP: bool = false;
override EMA: bool = false;

struct Params {
    n: u32, scale: f32, max_norm: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32,
    keep: f32, rate: f32, root: f32, eps: f32, decay: f32, rest: f32,
}

@group(0) @binding(0) var<storage, read> grad: array<V>;
@group(0) @binding(1) var<storage, read> norm_squared: array<f32>;
@group(0) @binding(2) var<storage, read_write> param: array<VF>;
@group(0) @binding(3) var<storage, read_write> m: array<VF>;
@group(0) @binding(4) var<storage, read_write> v: array<VF>;
@group(0) @binding(5) var<storage, read_write> ema: array<VF>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    var factor = p.scale;
    if CLIP {
        let square = norm_squared[0];
        // all ones in the exponent: infinite or NaN, which a comparison need not tell
        if (bitcast<u32>(square) & 0x7f800000u) == 0x7f800000u { return; }
        let norm = p.scale * sqrt(square);
        if norm > p.max_norm { factor *= p.max_norm / norm; }
    }
    let g = factor * VF(grad[i]);
    let m1 = p.beta1 * m[i] + p.rest1 * g;
    let v1 = p.beta2 * v[i] + p.rest2 * g * g;
    let x = p.keep * param[i] - p.rate * m1 / (sqrt(v1) * p.root + p.eps);
    m[i] = m1;
    v[i] = v1;
    param[i] = x;
    if EMA { ema[i] = p.decay * ema[i] + p.rest * x; }
}
