// Gradients of attention, for GPUs.
//   w_tj = exp2(scale <q_t, k_j> - lse_t),   g_tj = scale w_tj (<dy_t, v_j> - delta_t)
//   MODE 0   dq_t = sum_j g_tj k_j      rows are queries: a, b, e, f = q, k, dy, v
//   MODE 1   dk_j = sum_t g_tj q_t      rows are keys:    a, b, e, f = k, q, v, dy
//   MODE 2   dv_j = sum_t w_tj dy_t     likewise
//
// a, e        [N, Ta, ..]      b, f [N, Tb, ..]      channel c of head h of token t at  t * row + h * each + c + at
// lse, delta  [N, heads, Tq]
// y           [N, Ta, ..]      all in vectors of 4 channels
//
// Dispatch: one workgroup per 4 RT rows and slab of 8 DV vectors of channels, head, sample; slabs change fastest.
//
// Why: the weights are computed again from the saved log-sum-exp [Dao 2022]; each workgroup owns its rows, so nothing is
// added up in memory. Ceiling: flops, 2 N heads Tq Tk ch times 3, 3 and 2.

override MODE: u32 = 0;

struct Params {
    Ta: u32, Tb: u32, heads: u32, CH4: u32, slabs: u32, phases: u32, row_a: u32, each_a: u32, at_a: u32, row_b: u32, each_b: u32, at_b: u32,
    row_e: u32, each_e: u32, at_e: u32, row_f: u32, each_f: u32, at_f: u32,
    row_y: u32, each_y: u32, at_y: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> a: array<Elem4>;
@group(0) @binding(1) var<storage, read> b: array<Elem4>;
@group(0) @binding(2) var<storage, read> e: array<Elem4>;
@group(0) @binding(3) var<storage, read> f: array<Elem4>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

// prelude: RT, DV
#include "lib/token_tile.wgsl"

fn value(token: u32, h: u32, d: u32) -> vec4f {
    if MODE == 2u { return vec4f(f[token * p.row_f + h * p.each_f + p.at_f + d]); }
    return vec4f(b[token * p.row_b + h * p.each_b + p.at_b + d]);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
    let tx = lane % 8u;
    let ty = lane / 8u;
    let slab = group.x % p.slabs;
    let r0 = group.x / p.slabs * ROWS;
    let h = group.y;
    let n = group.z;
    let from_a = n * p.Ta * p.row_a + h * p.each_a + p.at_a;
    let from_b = n * p.Tb * p.row_b + h * p.each_b + p.at_b;
    let from_e = n * p.Ta * p.row_e + h * p.each_e + p.at_e;
    let from_f = n * p.Tb * p.row_f + h * p.each_f + p.at_f;
    let from_y = n * p.Ta * p.row_y + h * p.each_y + p.at_y;
    let stats = (n * p.heads + h) * select(p.Tb, p.Ta, MODE == 0u);
    let c = slab * 8u * DV + tx;

    var sum: array<vec4f, 4u * DV>;
    for (var j0 = 0u; j0 < p.Tb; j0 += COLUMNS) {
        let columns = vec4u(j0 + tx) + vec4u(0u, 8u, 16u, 24u);
        let safe = min(columns, vec4u(p.Tb - 1u));
        var w: array<vec4f, 4>;
        for (var phase = 0u; phase < p.phases; phase++) {
            var x = array<vec4f, 4>(vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0));
            for (var c0 = 0u; c0 < p.CH4; c0 += 4u) {
                workgroupBarrier(); // the previous slice has been read
                for (var i = lane; i < 4u * ROWS; i += THREADS) {
                    let t = min(r0 + i / 4u, p.Ta - 1u);
                    let d = c0 + i % 4u;
                    if d >= p.CH4 { continue; }
                    if phase == 0u { sh_a[i] = vec4f(a[from_a + t * p.row_a + d]); } else { sh_a[i] = vec4f(e[from_e + t * p.row_e + d]); }
                }
                for (var i = lane; i < 4u * COLUMNS; i += THREADS) {
                    let j = min(j0 + i / 4u, p.Tb - 1u);
                    let d = c0 + i % 4u;
                    if d >= p.CH4 { continue; }
                    let to = i % 4u * COLUMNS + i / 4u;
                    if phase == 0u { sh_b[to] = vec4f(b[from_b + j * p.row_b + d]); } else { sh_b[to] = vec4f(f[from_f + j * p.row_f + d]); }
                }
                workgroupBarrier();
                tile_product(&x, tx, ty, min(4u, p.CH4 - c0));
            }
            for (var i = 0u; i < 4u; i++) {
                let row = vec4u(stats + min(r0 + 4u * ty + i, p.Ta - 1u));
                let at = select(safe + stats, row, MODE == 0u);
                if phase == 0u {
                    let l = vec4f(lse[at.x], lse[at.y], lse[at.z], lse[at.w]);
                    w[i] = select(vec4f(0.0), exp2(x[i] * (p.scale * 1.4426950408889634) - l), columns < vec4u(p.Tb));
                } else {
                    w[i] *= p.scale * (x[i] - vec4f(delta[at.x], delta[at.y], delta[at.z], delta[at.w]));
                }
            }
        }
        for (var i = 0u; i < 4u; i++) { sh_w[(4u * ty + i) * 8u + tx] = w[i]; }
        workgroupBarrier();
        let busy = min(8u, p.Tb - j0);
        for (var x = 0u; x < busy; x++) {
            let at = 4u * ty * 8u + x;
            let g = array<vec4f, 4>(sh_w[at], sh_w[at + 8u], sh_w[at + 16u], sh_w[at + 24u]);
            let j = min(vec4u(j0 + x) + vec4u(0u, 8u, 16u, 24u), vec4u(p.Tb - 1u)) + vec4u(n * p.Tb);
            for (var i = 0u; i < DV; i++) {
                let d = min(c + 8u * i, p.CH4 - 1u);
                let values = mat4x4f(value(j.x, h, d), value(j.y, h, d), value(j.z, h, d), value(j.w, h, d));
                for (var r = 0u; r < 4u; r++) { sum[r * DV + i] += values * g[r]; }
            }
        }
        workgroupBarrier(); // sh_w has been read
    }

    var out = sum;
    let t0 = r0 + 4u * ty;
    let rows = min(4u, max(p.Ta, t0) - t0);
    let vectors = min(8u * DV, p.CH4 - slab * 8u * DV);
    for (var r = 0u; r < rows; r++) {
        let to = from_y + (t0 + r) * p.row_y + slab * 8u * DV;
        for (var d = tx; d < vectors; d += 8u) { y[to + d] = Elem4(out[r * DV + d / 8u]); }
    }
}
