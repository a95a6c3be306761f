// Attention, for GPUs.
//   o_t = sum_j w_tj v_j / sum_j w_tj,   w_tj = exp(scale <q_t, k_j>)
//
// q    [N, Tq, ..]     k, v  [N, Tk, ..]     channel c of head h of token t at  t * row + h * each + c + at
// o    [N, Tq, heads * ch]                   all in vectors of 4 channels
// lse  [N, heads, Tq]  log2 sum_j w_tj, for the gradient
//
// Dispatch: one workgroup per 4 RT queries and slab of 8 DV vectors of channels, head, sample; slabs change fastest.
//
// Why: online softmax [Milakov 2018; Dao 2022]: no logits go to memory. Threads hold 4 x 4 logits, and 4 x DV vectors of the
// sum; queries and keys are staged in workgroup memory, values come through the cache. Beyond 32 DV channels, slabs
// compute the logits again. Ceiling: flops, 4 N heads Tq Tk ch.

struct Params {
    Tq: u32, Tk: u32, heads: u32, CH4: u32, slabs: u32, row_q: u32, each_q: u32, at_q: u32,
    row_k: u32, each_k: u32, at_k: u32, row_v: u32, each_v: u32, at_v: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> q: array<Elem4>;
@group(0) @binding(1) var<storage, read> k: array<Elem4>;
@group(0) @binding(2) var<storage, read> v: array<Elem4>;
@group(0) @binding(3) var<storage, read_write> o: array<Elem4>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

// prelude: RT, DV
#include "lib/token_tile.wgsl"

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
    let tx = lane % 8u;
    let ty = lane / 8u;
    let slab = group.x % p.slabs;
    let t0 = group.x / p.slabs * ROWS;
    let h = group.y;
    let n = group.z;
    let from_q = n * p.Tq * p.row_q + h * p.each_q + p.at_q;
    let from_k = n * p.Tk * p.row_k + h * p.each_k + p.at_k;
    let from_v = n * p.Tk * p.row_v + h * p.each_v + p.at_v;
    let c = slab * 8u * DV + tx;

    var sum: array<vec4f, 4u * DV>;
    var top = vec4f(-1e30);
    var all = vec4f(0.0); // of this thread's keys
    for (var j0 = 0u; j0 < p.Tk; j0 += COLUMNS) {
        var s = array<vec4f, 4>(vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0));
        for (var c0 = 0u; c0 < p.CH4; c0 += 4u) {
            workgroupBarrier(); // the previous slice, and the maxima, have been read
            for (var i = lane; i < 4u * ROWS; i += THREADS) {
                let t = t0 + i / 4u;
                let d = c0 + i % 4u;
                if d < p.CH4 { sh_a[i] = vec4f(q[from_q + min(t, p.Tq - 1u) * p.row_q + d]); }
            }
            for (var i = lane; i < 4u * COLUMNS; i += THREADS) {
                let j = j0 + i / 4u;
                let d = c0 + i % 4u;
                if d < p.CH4 { sh_b[i % 4u * COLUMNS + i / 4u] = vec4f(k[from_k + min(j, p.Tk - 1u) * p.row_k + d]); }
            }
            workgroupBarrier();
            tile_product(&s, tx, ty, min(4u, p.CH4 - c0));
        }
        workgroupBarrier(); // sh_b has been read; it takes the maxima

        let keys = vec4u(j0 + tx) + vec4u(0u, 8u, 16u, 24u);
        var most = top;
        for (var i = 0u; i < 4u; i++) {
            s[i] = select(vec4f(-1e30), s[i] * (p.scale * 1.4426950408889634), keys < vec4u(p.Tk));
            most[i] = max(most[i], max(max(s[i].x, s[i].y), max(s[i].z, s[i].w)));
        }
        sh_b[ty * 8u + tx] = most;
        workgroupBarrier();
        for (var i = 0u; i < 8u; i++) { most = max(most, sh_b[ty * 8u + i]); }
        let shrink = exp2(top - most);
        top = most;
        all *= shrink;
        for (var i = 0u; i < 4u; i++) {
            let w = exp2(s[i] - most[i]);
            all[i] += w.x + w.y + w.z + w.w;
            sh_w[(4u * ty + i) * 8u + tx] = w;
            for (var e = 0u; e < DV; e++) { sum[i * DV + e] *= shrink[i]; }
        }
        workgroupBarrier();

        let busy = min(8u, p.Tk - j0);
        for (var x = 0u; x < busy; x++) {
            let at = 4u * ty * 8u + x;
            let w = array<vec4f, 4>(sh_w[at], sh_w[at + 8u], sh_w[at + 16u], sh_w[at + 24u]);
            let j = min(vec4u(j0 + x) + vec4u(0u, 8u, 16u, 24u), vec4u(p.Tk - 1u)) * p.row_v + from_v;
            for (var e = 0u; e < DV; e++) {
                let d = min(c + 8u * e, p.CH4 - 1u);
                let values = mat4x4f(vec4f(v[j.x + d]), vec4f(v[j.y + d]), vec4f(v[j.z + d]), vec4f(v[j.w + d]));
                for (var i = 0u; i < 4u; i++) { sum[i * DV + e] += values * w[i]; }
            }
        }
    }

    workgroupBarrier();
    sh_b[ty * 8u + tx] = all;
    workgroupBarrier();
    all = vec4f(0.0);
    for (var i = 0u; i < 8u; i++) { all += sh_b[ty * 8u + i]; }
    var out = sum;
    let t1 = t0 + 4u * ty;
    let rows = min(4u, max(p.Tq, t1) - t1);
    for (var i = 0u; i < rows; i++) {
        let to = ((n * p.Tq + t1 + i) * p.heads + h) * p.CH4;
        let vectors = min(8u * DV, p.CH4 - slab * 8u * DV);
        for (var d = tx; d < vectors; d += 8u) { o[to + slab * 8u * DV + d] = Elem4(out[i * DV + d / 8u] / all[i]); }
        if slab == 0u && tx == 0u { lse[(n * p.heads + h) * p.Tq + t1 + i] = top[i] + log2(all[i]); }
    }
}
