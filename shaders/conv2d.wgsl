// Convolution, direct.
//   y[n, Y, X, o] = scale * (bias[o] + residual[n, Y, X, o] + sum_{ky, kx, i} w[ky, kx, i, o] x[n, iy, ix, i])
//   iy = sy * oy + ky - py,  ix = sx * ox + kx - px,  (Y, X) = (oy, ox) * step + offset,  zero outside of x
//
// x         [N, H, W, G * I]             channels in vectors of 4, as everywhere below
// w         [G, O / block, KH, KW, I, block]   packed by conv2d_pack
// bias      [G * O]                      or absent, as residual
// residual  like y
// y         [N, YH, YW, G * O]           step is 1, but for the gradient of a strided convolution
//
// Dispatch: one invocation per TY x TX pixels (oy, ox), n, and TN vectors of output channels; the latter change fastest.
//
// Why: a tile of TY x TX x TN sums in registers, no workgroup memory, no barrier. A row of inputs is read once for all kx:
// it is shifted along by one pixel per kx. On software adapters `block` is what an invocation reads of w, one stretch; on
// GPUs it is all, and neighbours read neighbours. Loops bound by a uniform stay loops: software adapters take tens of
// milliseconds to compile each load or store in the code. Ceiling: flops, 2 N OH OW KH KW G I O.

override WG: u32 = 32;

struct Params {
    N: u32, H: i32, W: i32, I: u32, OH: u32, OW: u32, O: u32, G: u32, KH: u32, KW: u32, sy: i32, py: i32, px: i32,
    YH: u32, YW: u32, step_y: u32, step_x: u32, at_y: u32, at_x: u32, pixels: u32, vectors: u32, block: u32,
    biased: u32, residues: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Elem4>;
@group(0) @binding(1) var<storage, read> w: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read> residual: array<Elem4>;
@group(0) @binding(4) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

// one tap, and pixels in one row: none lies outside but beyond the end, where the last is read again
override POINT: bool = false;
// prelude: tile TY, TX, TN (a divisor of O); REACH, KW or more; stride SX
const WIN: u32 = (TX - 1u) * SX + REACH;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let index = linear_index(id, groups);
    let blocks = p.O / TN;
    let gb = index % (blocks * p.G);
    let g = gb / blocks;
    let o = (gb % blocks) * TN;
    let tile = index / (blocks * p.G);
    let tiles_x = (p.OW + TX - 1u) / TX;
    let tiles_y = (p.OH + TY - 1u) / TY;
    let ox = (tile % tiles_x) * TX;
    let oy = ((tile / tiles_x) % tiles_y) * TY;
    let n = tile / (tiles_x * tiles_y);
    if n >= p.N { return; }

    let C = p.G * p.I;
    let ix0 = i32(ox * SX) - p.px;
    var begin: array<u32, WIN>;
    if POINT {
        for (var i = 0u; i < WIN; i++) { begin[i] = min(ox + i, p.OW - 1u) * C + g * p.I; }
    }
    var sum: array<vec4f, TY * TX * TN>;
    for (var ky = 0u; ky < p.KH; ky++) {
        let iy0 = i32(oy) * p.sy + i32(ky) - p.py;
        for (var c = 0u; c < p.I; c++) {
            var a: array<vec4f, TY * WIN>;
            for (var r = 0u; r < TY; r++) {
                let iy = iy0 + i32(r) * p.sy;
                let row = (i32(n) * p.H + iy) * p.W;
                if POINT {
                    for (var i = 0u; i < WIN; i++) { a[r * WIN + i] = vec4f(x[begin[i] + c]); }
                    continue;
                }
                for (var i = 0u; i < WIN; i++) {
                    let ix = ix0 + i32(i);
                    let inside = iy >= 0 && iy < p.H && ix >= 0 && ix < p.W;
                    let at = select(0u, u32(row + ix) * C + g * p.I + c, inside);
                    a[r * WIN + i] = select(vec4f(), vec4f(x[at]), inside);
                }
            }
            var at = (((g * p.O + o) / p.block * p.KH + ky) * p.KW * p.I + c) * 4u * p.block + o % p.block;
            for (var kx = 0u; kx < p.KW; kx++) {
                for (var j = 0u; j < TN; j++) {
                    let w0 = vec4f(w[at + j]);
                    let w1 = vec4f(w[at + p.block + j]);
                    let w2 = vec4f(w[at + 2u * p.block + j]);
                    let w3 = vec4f(w[at + 3u * p.block + j]);
                    for (var r = 0u; r < TY; r++) {
                        for (var i = 0u; i < TX; i++) {
                            let v = a[r * WIN + i * SX];
                            sum[(r * TX + i) * TN + j] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
                        }
                    }
                }
                at += p.I * 4u * p.block;
                if POINT { break; }
                for (var i = 0u; i + 1u < TY * WIN; i++) { a[i] = a[i + 1u]; }
            }
        }
    }

    for (var i = 0u; i < p.pixels; i++) {
        let py = oy + i / TX;
        let px = ox + i % TX;
        if py >= p.OH || px >= p.OW { continue; }
        let at = (((n * p.YH + py * p.step_y + p.at_y) * p.YW + px * p.step_x + p.at_x) * p.G + g) * p.O + o;
        for (var j = 0u; j < p.vectors; j++) {
            var v = sum[i * TN + j];
            if p.biased != 0u { v += bias[g * p.O + o + j]; }
            if p.residues != 0u { v += vec4f(residual[at + j]); }
            y[at + j] = Elem4(p.scale * v);
        }
    }
}
