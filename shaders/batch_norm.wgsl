// Normalisation by given statistics of each channel, and ReLU.
//   y[., c] = act((x[., c] - mean[c]) * gamma[c] / sqrt(variance[c] + eps) + beta[c])
//
// x, y     [.., C]
// variance [C], as mean, gamma and beta, which may be absent: 0, 1 and 0
//
// Dispatch: one invocation per vector of LANES channels. C counts vectors.
//
// Why: the ReLU that follows needs a pass anyway, so the norm costs nothing, nor need it be folded into weights that are
// then no longer the checkpoint's. Ceiling: bytes.

override WG: u32 = 64;
override RELU: bool = false;

struct Params { n: u32, C: u32, eps: f32, centred: u32, scaled: u32, shifted: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> mean: array<VF>;
@group(0) @binding(2) var<storage, read> variance: array<VF>;
@group(0) @binding(3) var<storage, read> gamma: array<VF>;
@group(0) @binding(4) var<storage, read> beta: array<VF>;
@group(0) @binding(5) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let c = o % p.C;
    var s = VF(x[o]);
    if p.centred != 0u { s -= mean[c]; }
    s /= sqrt(variance[c] + p.eps);
    if p.scaled != 0u { s *= gamma[c]; }
    if p.shifted != 0u { s += beta[c]; }
    if RELU { s = max(s, VF(0.0)); }
    y[o] = V(s);
}
