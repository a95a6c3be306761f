// Gradient of convolution with respect to its weights, in parts.
//   part[s, ky, kx, i, o] = sum_{(n, oy) in rows of s, ox} x[n, iy, ix, i] dy[n, oy, ox, o]
//   iy = sy * oy + ky - py,  ix = SX * ox + kx - px,  zero outside of x
//
// x     [N, H, W, G * I]                 channels in vectors of 4, as everywhere below
// dy    [N, OH, OW, G * O]
// part  [S, G, KH, KW, 4 I, O], f32      summed over S by conv2d_vjp_w_sum
//
// Dispatch: one invocation per s, g, ky, TC vectors of i and TN vectors of o; the last change fastest.
//
// Why: outer products of TC x KW vectors of x and TN of dy, summed in registers. Along a row x is read once for all kx.
// A part is the sum over few enough pixels for f32, and parts make work for many invocations where channels are few.
// Ceiling: flops, 2 N OH OW KH KW G I O.

override WG: u32 = 32;

struct Params {
    S: u32, rows: u32, rows_per_part: u32, H: i32, W: i32, I: u32, OH: u32, OW: u32, O: u32, G: u32, KH: u32,
    sy: i32, py: i32, px: i32, vectors: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Elem4>;
@group(0) @binding(1) var<storage, read> dy: array<Elem4>;
@group(0) @binding(2) var<storage, read_write> part: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: tile TC, TN (divisors of I, O); kernel width KW; stride SX
const KEEP: u32 = max(KW, SX) - SX;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks_o = p.O / TN;
    let blocks_i = p.I / TC;
    let o = (index % blocks_o) * TN;
    let c = ((index / blocks_o) % blocks_i) * TC;
    let k = index / (blocks_o * blocks_i);
    let ky = k % p.KH;
    let g = (k / p.KH) % p.G;
    let s = k / (p.KH * p.G);
    if s >= p.S { return; }

    var sum: array<vec4f, TC * TN * KW * 4u>;
    let last = min((s + 1u) * p.rows_per_part, p.rows);
    for (var row = s * p.rows_per_part; row < last; row++) {
        let n = row / p.OH;
        let iy = i32(row % p.OH) * p.sy + i32(ky) - p.py;
        if iy < 0 || iy >= p.H { continue; }
        let from_x = (i32(n) * p.H + iy) * p.W;
        var a: array<vec4f, TC * KW>;
        // what the first step shifts along
        for (var kx = 0u; kx < KEEP; kx++) {
            let ix = i32(kx) - p.px;
            let inside = ix >= 0 && ix < p.W;
            let at = select(0u, u32(from_x + ix) * p.G * p.I + g * p.I + c, inside);
            for (var i = 0u; i < TC; i++) { a[i * KW + kx + SX] = select(vec4f(), vec4f(x[at + i]), inside); }
        }
        for (var ox = 0u; ox < p.OW; ox++) {
            for (var kx = 0u; kx < KW; kx++) {
                let ix = i32(ox * SX + kx) - p.px;
                let inside = ix >= 0 && ix < p.W;
                let at = select(0u, u32(from_x + ix) * p.G * p.I + g * p.I + c, inside);
                for (var i = 0u; i < TC; i++) {
                    if kx < KEEP {
                        a[i * KW + kx] = a[i * KW + kx + SX];
                    } else {
                        a[i * KW + kx] = select(vec4f(), vec4f(x[at + i]), inside);
                    }
                }
            }
            let at = (row * p.OW + ox) * p.G * p.O + g * p.O + o;
            for (var j = 0u; j < TN; j++) {
                let d = vec4f(dy[at + j]);
                for (var i = 0u; i < TC * KW; i++) {
                    let v = a[i];
                    let to = (j * TC * KW + i) * 4u;
                    sum[to] += v.x * d;
                    sum[to + 1u] += v.y * d;
                    sum[to + 2u] += v.z * d;
                    sum[to + 3u] += v.w * d;
                }
            }
        }
    }

    var out = sum;
    for (var t = 0u; t < p.vectors; t++) {
        let q = t % 4u;
        let kx = (t / 4u) % KW;
        let i = (t / (4u * KW)) % TC;
        let j = t / (4u * KW * TC);
        let tap = ((s * p.G + g) * p.KH + ky) * KW + kx;
        part[((tap * p.I + c + i) * 4u + q) * p.O + o + j] = out[t];
    }
}
