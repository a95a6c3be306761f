// Convolution, direct, for any number of channels.
//   y[n, Y, X, o] = scale * (bias[o] + residual[n, Y, X, o] + sum_{ky, kx, i} w[ky, kx, i, o] x[n, iy, ix, i])
//   iy = sy * oy + ky - py,  ix = sx * ox + kx - px,  (Y, X) = (oy, ox) * step + offset,  zero outside of x
//
// x         [N, H, W, G * I]
// w         [G, KH, KW, I, ceil(O / 4)]  vectors of 4 output channels, packed by conv2d_pack
// bias      [G * O]                      or absent, as residual
// residual  like y
// y         [N, YH, YW, G * O]
//
// Dispatch: one invocation per TX pixels ox, oy, n, and one vector of output channels of a group; the latter change fastest.
//
// Why: pictures (3 channels) at either end of a network, and groups of a few channels. As conv2d, but x and y are read
// and written element by element. Ceiling: flops, 2 N OH OW KH KW G I O.

override WG: u32 = 32;

struct Params {
    N: u32, H: i32, W: i32, I: u32, OH: u32, OW: u32, O: u32, G: u32, KH: u32, KW: u32, sy: i32, py: i32, px: i32,
    YH: u32, YW: u32, step_y: u32, step_x: u32, at_y: u32, at_x: u32, pixels: u32, vectors: u32,
    biased: u32, residues: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Elem>;
@group(0) @binding(1) var<storage, read> w: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<Elem>;
@group(0) @binding(4) var<storage, read_write> y: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// prelude: tile TX; REACH, KW or more; stride SX
const WIN: u32 = (TX - 1u) * SX + REACH;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks = (p.O + 3u) / 4u;
    let g = (index / blocks) % p.G;
    let o = index % blocks;
    let tile = index / (blocks * p.G);
    let tiles_x = (p.OW + TX - 1u) / TX;
    let ox = (tile % tiles_x) * TX;
    let oy = (tile / tiles_x) % p.OH;
    let n = tile / (tiles_x * p.OH);
    if n >= p.N { return; }

    let C = p.G * p.I;
    let ix0 = i32(ox * SX) - p.px;
    var sum: array<vec4f, TX>;
    for (var ky = 0u; ky < p.KH; ky++) {
        let iy = i32(oy) * p.sy + i32(ky) - p.py;
        if iy < 0 || iy >= p.H { continue; }
        let row = (i32(n) * p.H + iy) * p.W;
        for (var c = 0u; c < p.I; c++) {
            var a: array<f32, WIN>;
            for (var i = 0u; i < WIN; i++) {
                let ix = ix0 + i32(i);
                let inside = ix >= 0 && ix < p.W;
                let at = select(0u, u32(row + ix) * C + g * p.I + c, inside);
                a[i] = select(0f, f32(x[at]), inside);
            }
            var at = (((g * p.KH + ky) * p.KW) * p.I + c) * blocks + o;
            for (var kx = 0u; kx < p.KW; kx++) {
                let v = vec4f(w[at]);
                for (var i = 0u; i < TX; i++) { sum[i] += a[i * SX] * v; }
                at += p.I * blocks;
                for (var i = 0u; i + 1u < WIN; i++) { a[i] = a[i + 1u]; }
            }
        }
    }

    let channels = min(4u, p.O - 4u * o);
    for (var i = 0u; i < p.pixels; i++) {
        let px = ox + i;
        if px >= p.OW { continue; }
        let first = g * p.O + 4u * o;
        let at = ((n * p.YH + oy * p.step_y + p.at_y) * p.YW + px * p.step_x + p.at_x) * p.G * p.O + first;
        for (var j = 0u; j < channels; j++) {
            var v = sum[i][j];
            if p.biased != 0u { v += bias[first + j]; }
            if p.residues != 0u { v += f32(residual[at + j]); }
            y[at + j] = Elem(p.scale * v);
        }
    }
}
