// Convolution as a product of matrices in workgroup memory.
//   y[n, Y, X, o] = scale * (bias[o] + residual[n, Y, X, o] + sum_{ky, kx, i} w[ky, kx, i, o] x[n, iy, ix, i])
//   iy = sy * oy + ky - py,  ix = sx * ox + kx - px,  (Y, X) = (oy, ox) * step + offset,  zero outside of x
//
// x         [N, H, W, G * I]             channels in vectors of 4, as everywhere below
// w         [G, KH, KW, I, O]            packed by conv2d_pack
// bias      [G * O]                      or absent, as residual
// residual  like y
// y         [N, YH, YW, G * O]
//
// Dispatch: one workgroup of 8 x 8 invocations per 64 pixels (n, oy, ox) and 64 output channels of a group; the latter
// change fastest, so that neighbouring workgroups share their pixels in the cache.
//
// Why: for GPUs. Steps of 16 input channels of one tap: 64 x 16 of x and 16 x 64 of w are fetched once by the workgroup,
// and each invocation adds to 8 pixels x 8 channels in registers, 16 multiplications to a vector read. Rows of x are 5
// vectors apart, against bank conflicts. 9.2 KB in f32. Ceiling: flops, 2 N OH OW KH KW G I O.

struct Params {
    N: u32, H: i32, W: i32, I: u32, OH: u32, OW: u32, O: u32, G: u32, KH: u32, KW: u32, sy: i32, sx: i32, py: i32, px: i32,
    YH: u32, YW: u32, step_y: u32, step_x: u32, at_y: u32, at_x: u32, sums: u32, biased: u32, residues: u32, scale: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Elem4>;
@group(0) @binding(1) var<storage, read> w: array<Elem4>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read> residual: array<Elem4>;
@group(0) @binding(4) var<storage, read_write> y: array<Elem4>;
@group(1) @binding(0) var<uniform> p: Params;

const ROW: u32 = 5u;
var<workgroup> sh_x: array<Elem4, 64u * ROW>;
var<workgroup> sh_w: array<Elem4, 16u * 16u>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) l: u32, @builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) groups: vec3u,
) {
    let index = id.x + id.y * groups.x;
    let blocks = (p.O + 15u) / 16u;
    let g = (index / blocks) % p.G;
    let o0 = (index % blocks) * 16u;
    let m0 = index / (blocks * p.G) * 64u;
    let M = p.N * p.OH * p.OW;
    // this invocation fetches column q of the rows r, r + 16, ... of x, and column s of the rows t, t + 4, ... of w
    let q = l % 4u;
    let r = l / 4u;
    let s = l % 16u;
    let t = l / 16u;
    var row: array<vec3i, 4>;
    for (var i = 0u; i < 4u; i++) {
        let m = m0 + r + 16u * i;
        let n = m / (p.OH * p.OW);
        let iy = i32((m / p.OW) % p.OH) * p.sy - p.py;
        let ix = i32(m % p.OW) * p.sx - p.px;
        row[i] = select(vec3i(0, -0x10000000, 0), vec3i(i32(n) * p.H, iy, ix), m < M);
    }

    var sum: array<vec4f, 16>;
    let a = l / 8u;
    let b = l % 8u;
    for (var k = 0u; k < p.KH * p.KW; k++) {
        let ky = i32(k / p.KW);
        let kx = i32(k % p.KW);
        for (var c = 0u; c < p.I; c += 4u) {
            for (var i = 0u; i < 4u; i++) {
                let iy = row[i].y + ky;
                let ix = row[i].z + kx;
                let inside = iy >= 0 && iy < p.H && ix >= 0 && ix < p.W && c + q < p.I;
                let at = (u32((row[i].x + iy) * p.W + ix) * p.G + g) * p.I + c + q;
                sh_x[(r + 16u * i) * ROW + q] = select(Elem4(), x[select(0u, at, inside)], inside);
            }
            for (var i = 0u; i < 4u; i++) {
                let ci = 4u * c + t + 4u * i;
                let inside = ci < 4u * p.I && o0 + s < p.O;
                let at = ((g * p.KH * p.KW + k) * 4u * p.I + ci) * p.O + o0 + s;
                sh_w[(t + 4u * i) * 16u + s] = select(Elem4(), w[select(0u, at, inside)], inside);
            }
            workgroupBarrier(); // the tiles are complete
            for (var j = 0u; j < min(4u, p.I - c); j++) {
                let at = 4u * j * 16u + b;
                let w00 = vec4f(sh_w[at]);
                let w10 = vec4f(sh_w[at + 16u]);
                let w20 = vec4f(sh_w[at + 32u]);
                let w30 = vec4f(sh_w[at + 48u]);
                let w01 = vec4f(sh_w[at + 8u]);
                let w11 = vec4f(sh_w[at + 24u]);
                let w21 = vec4f(sh_w[at + 40u]);
                let w31 = vec4f(sh_w[at + 56u]);
                for (var i = 0u; i < 8u; i++) {
                    let v = vec4f(sh_x[(8u * i + a) * ROW + j]);
                    sum[2u * i] += v.x * w00 + v.y * w10 + v.z * w20 + v.w * w30;
                    sum[2u * i + 1u] += v.x * w01 + v.y * w11 + v.z * w21 + v.w * w31;
                }
            }
            workgroupBarrier(); // before they are overwritten
        }
    }

    // a copy, so that only it is indexed by what is not known at compile time
    var out = sum;
    for (var i = 0u; i < p.sums; i++) {
        let m = m0 + 8u * (i / 2u) + a;
        let o = o0 + b + 8u * (i % 2u);
        if m >= M || o >= p.O { continue; }
        let Y = ((m / p.OW) % p.OH) * p.step_y + p.at_y;
        let X = (m % p.OW) * p.step_x + p.at_x;
        let at = (((m / (p.OH * p.OW) * p.YH + Y) * p.YW + X) * p.G + g) * p.O + o;
        var v = out[i];
        if p.biased != 0u { v += bias[g * p.O + o]; }
        if p.residues != 0u { v += vec4f(residual[at]); }
        y[at] = Elem4(p.scale * v);
    }
}
