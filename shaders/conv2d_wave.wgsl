// Convolution, direct, by subgroups that share their weights.
//   y[n, Y, X, o] = scale * (bias[o] + residual[n, Y, X, o] + sum_{ky, kx, i} w[ky, kx, i, o] x[n, iy, ix, i])
//   iy = sy * oy + ky - py,  ix = sx * ox + kx - px,  (Y, X) = (oy, ox) * step + offset,  zero outside of x
//
// x         [N, H, W, G * I]             channels in vectors of 4, as everywhere below
// w         [G, O / 2, KH, KW, I, 2]     packed by conv2d_pack
// bias      [G * O]                      or absent, as residual
// residual  like y
// y         [N, YH, YW, G * O]           step is 1, but for the gradient of a strided convolution
//
// Dispatch: one workgroup per WG tiles of TX pixels in a row, and 2 vectors of output channels; the latter change fastest.
// Subgroups have 8 invocations or more; the host sees to it.
//
// Why: for software adapters, where each read costs as much as dozens of multiplications, and is paid once for a
// subgroup's 8 lanes. What all lanes want of w, 8 vectors to an input vector and tap, is one read, and then handed
// around. The rest as in conv2d.wgsl. Ceiling: flops, 2 N OH OW KH KW G I O.

override WG: u32 = 8;

struct Params {
    N: u32, H: i32, W: i32, I: u32, OH: u32, OW: u32, O: u32, G: u32, KH: u32, KW: u32, sy: i32, py: i32, px: i32,
    YH: u32, YW: u32, step_y: u32, step_x: u32, at_y: u32, at_x: u32, pixels: u32, vectors: u32,
    biased: u32, residues: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Elem4>;
@group(0) @binding(1) var<storage, read> w: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read> residual: array<Elem4>;
@group(0) @binding(4) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

// one tap, and pixels in one row: none lies outside but beyond the end, where the last is read again
override POINT: bool = false;
// prelude: tile TX; REACH, KW or more; stride SX
const WIN: u32 = (TX - 1u) * SX + REACH;

@compute @workgroup_size(WG)
fn main(
    @builtin(local_invocation_index) l: u32, @builtin(subgroup_invocation_id) lane: u32,
    @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
    let index = id.x + id.y * groups.x;
    let blocks = p.O / 2u;
    let gb = index % (blocks * p.G);
    let g = gb / blocks;
    let o = (gb % blocks) * 2u;
    let tile = index / (blocks * p.G) * WG + l;
    let tiles_x = (p.OW + TX - 1u) / TX;
    let ox = (tile % tiles_x) * TX;
    let oy = (tile / tiles_x) % p.OH;
    // nobody leaves before the last weight is handed around
    let past = tile / tiles_x >= p.N * p.OH;
    let n = select(tile / (tiles_x * p.OH), 0u, past);

    let C = p.G * p.I;
    let ix0 = i32(ox * SX) - p.px;
    var begin: array<u32, WIN>;
    if POINT {
        for (var i = 0u; i < WIN; i++) { begin[i] = min(ox + i, p.OW - 1u) * C + g * p.I; }
    }
    var sum: array<vec4f, TX * 2u>;
    for (var ky = 0u; ky < p.KH; ky++) {
        let iy = i32(oy) * p.sy + i32(ky) - p.py;
        let row = (i32(n) * p.H + iy) * p.W;
        for (var c = 0u; c < p.I; c++) {
            var a: array<vec4f, WIN>;
            for (var i = 0u; i < WIN; i++) {
                if POINT {
                    a[i] = vec4f(x[begin[i] + c]);
                    continue;
                }
                let ix = ix0 + i32(i);
                let inside = iy >= 0 && iy < p.H && ix >= 0 && ix < p.W;
                let at = select(0u, u32(row + ix) * C + g * p.I + c, inside);
                a[i] = select(vec4f(), vec4f(x[at]), inside);
            }
            var at = (((g * blocks + o / 2u) * p.KH + ky) * p.KW * p.I + c) * 8u + lane % 8u;
            for (var kx = 0u; kx < p.KW; kx++) {
                let own = vec4f(w[at]);
                for (var j = 0u; j < 2u; j++) {
                    let w0 = select(subgroupBroadcast(own, 0u), subgroupBroadcast(own, 1u), j == 1u);
                    let w1 = select(subgroupBroadcast(own, 2u), subgroupBroadcast(own, 3u), j == 1u);
                    let w2 = select(subgroupBroadcast(own, 4u), subgroupBroadcast(own, 5u), j == 1u);
                    let w3 = select(subgroupBroadcast(own, 6u), subgroupBroadcast(own, 7u), j == 1u);
                    for (var i = 0u; i < TX; i++) {
                        let v = a[i * SX];
                        sum[i * 2u + j] += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
                    }
                }
                at += p.I * 8u;
                if POINT { break; }
                for (var i = 0u; i + 1u < WIN; i++) { a[i] = a[i + 1u]; }
            }
        }
    }

    for (var i = 0u; i < p.pixels; i++) {
        let px = ox + i;
        if past || px >= p.OW { continue; }
        let at = (((n * p.YH + oy * p.step_y + p.at_y) * p.YW + px * p.step_x + p.at_x) * p.G + g) * p.O + o;
        for (var j = 0u; j < p.vectors; j++) {
            var v = sum[i * 2u + j];
            if p.biased != 0u { v += bias[g * p.O + o + j]; }
            if p.residues != 0u { v += vec4f(residual[at + j]); }
            y[at + j] = Elem4(p.scale * v);
        }
    }
}
