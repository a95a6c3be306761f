// Gradients of group normalisation in gamma and beta.
//   dgamma[c] = sum_n (1 + scale) X,   dbeta[c] = sum_n (1 + scale) S
//
// means          [N, 4, C]     (.., .., S, X)
// scale          rows of `stride` numbers; optional
// dgamma, dbeta  [C]
//
// Dispatch: one invocation per channel.

override WG: u32 = 64;
override HAS_SCALE: u32 = 0;

struct Params { N: u32, C: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> means: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<Elem>;
@group(0) @binding(2) var<storage, read_write> dgamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> dbeta: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let c = id.x;
    if c >= p.C { return; }
    var dg = 0.0;
    var db = 0.0;
    for (var n = 0u; n < p.N; n++) {
        var w = 1.0;
        if HAS_SCALE != 0u { w += f32(scale[n * p.stride + c]); }
        db += w * means[(n * 4u + 2u) * p.C + c];
        dg += w * means[(n * 4u + 3u) * p.C + c];
    }
    dgamma[c] = dg;
    dbeta[c] = db;
}
