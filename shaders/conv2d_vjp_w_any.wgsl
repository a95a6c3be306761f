// Gradient of convolution with respect to its weights, in parts, for any number of channels.
//   part[s, ky, kx, i, o] = sum_{(n, oy) in rows of s, ox} x[n, iy, ix, i] dy[n, oy, ox, o]
//   iy = sy * oy + ky - py,  ix = SX * ox + kx - px,  zero outside of x
//
// x     [N, H, W, G * I]
// dy    [N, OH, OW, G * O]
// part  [S, G, KH, KW, I, ceil(O / 4)], f32, vectors of 4 output channels, summed over S by conv2d_vjp_w_sum
//
// Dispatch: one invocation per s, g, ky, i and vector of o; the last change fastest.
//
// Why: as conv2d_vjp_w, element by element. Ceiling: flops, 2 N OH OW KH KW G I O.

override WG: u32 = 32;

struct Params {
    S: u32, rows: u32, rows_per_part: u32, H: i32, W: i32, I: u32, OH: u32, OW: u32, O: u32, G: u32, KH: u32,
    sy: i32, py: i32, px: i32, vectors: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Elem>;
@group(0) @binding(1) var<storage, read> dy: array<Elem>;
@group(0) @binding(2) var<storage, read_write> part: array<vec4f>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: kernel width KW; stride SX
const KEEP: u32 = max(KW, SX) - SX;
const WARM: u32 = (KEEP + SX - 1u) / SX;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks = (p.O + 3u) / 4u;
    let o = index % blocks;
    let c = (index / blocks) % p.I;
    let k = index / (blocks * p.I);
    let ky = k % p.KH;
    let g = (k / p.KH) % p.G;
    let s = k / (p.KH * p.G);
    if s >= p.S { return; }

    let channels = min(4u, p.O - 4u * o);
    var sum: array<vec4f, KW>;
    let last = min((s + 1u) * p.rows_per_part, p.rows);
    for (var row = s * p.rows_per_part; row < last; row++) {
        let n = row / p.OH;
        let iy = i32(row % p.OH) * p.sy + i32(ky) - p.py;
        if iy < 0 || iy >= p.H { continue; }
        let from_x = (i32(n) * p.H + iy) * p.W;
        var a: array<f32, KW>;
        // the first WARM steps only fill the window
        for (var t = 0u; t < p.OW + WARM; t++) {
            let ox = i32(t) - i32(WARM);
            for (var kx = 0u; kx < KW; kx++) {
                let ix = ox * i32(SX) + i32(kx) - p.px;
                let inside = ix >= 0 && ix < p.W;
                let at = select(0u, (u32(from_x + ix) * p.G + g) * p.I + c, inside);
                if kx < KEEP {
                    a[kx] = a[kx + SX];
                } else {
                    a[kx] = select(0f, f32(x[at]), inside);
                }
            }
            let at = (row * p.OW + u32(max(ox, 0))) * p.G * p.O + g * p.O + 4u * o;
            let live = vec4u(0u, 1u, 2u, 3u) < vec4u(select(0u, channels, ox >= 0));
            let near = min(vec4u(0u, 1u, 2u, 3u), vec4u(channels - 1u));
            let d = vec4f(f32(dy[at]), f32(dy[at + near.y]), f32(dy[at + near.z]), f32(dy[at + near.w]));
            for (var kx = 0u; kx < KW; kx++) { sum[kx] += a[kx] * select(vec4f(), d, live); }
        }
    }

    for (var kx = 0u; kx < KW; kx++) {
        let tap = ((s * p.G + g) * p.KH + ky) * KW + kx;
        part[(tap * p.I + c) * blocks + o] = sum[kx];
    }
}
