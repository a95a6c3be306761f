// Affine warp: each picture drawn again through a map of its own, by Catmull-Rom's cubic; beyond the edges it is mirrored.
//   y[n, i, j, c] = sum_{a, b} k(v - a) k(u - b) x[n, a, b, c]
//   u = m0 (j - cx) + m1 (i - cy) + m2 + cx,  v = m3 (j - cx) + m4 (i - cy) + m5 + cy,  cx = (W - 1)/2, cy = (H - 1)/2
//   k(t) = 1 - 5/2 t^2 + 3/2 |t|^3 up to 1,  2 - 4 |t| + 5/2 t^2 - 1/2 |t|^3 up to 2
//
// x [N, H, W, C]
// m [N, 6]
// y [N, H, W, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: sixteen reads a result, in the cache. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, C: u32, W: u32, H: u32 }

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> m: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"

// weights of the four samples about a place, t of the way from the second to the third
fn cubic(t: f32) -> vec4f {
    let u = 1.0 - t;
    return vec4f(
        -0.5 * t * u * u,
        1.0 + t * t * (1.5 * t - 2.5),
        1.0 + u * u * (1.5 * u - 2.5),
        -0.5 * u * t * t);
}

// mirrored about the first and the last sample
fn mirrored(i: i32, size: u32) -> u32 {
    let period = 2 * max(i32(size) - 1, 1);
    let k = ((i % period) + period) % period;
    return u32(min(min(k, period - k), i32(size) - 1));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.W, p.H);
    let centre = vec2f(f32(p.W - 1u), f32(p.H - 1u)) * 0.5;
    let away = vec2f(f32(at.x), f32(at.y)) - centre;
    let k = 6u * at.n;
    let u = m[k] * away.x + m[k + 1u] * away.y + m[k + 2u] + centre.x;
    let v = m[k + 3u] * away.x + m[k + 4u] * away.y + m[k + 5u] + centre.y;
    let corner = floor(vec2f(u, v));
    let across = cubic(u - corner.x);
    let down = cubic(v - corner.y);
    var sum = VF(0.0);
    for (var a = 0; a < 4; a++) {
        let row = (at.n * p.H + mirrored(i32(corner.y) + a - 1, p.H)) * p.W;
        var line = VF(0.0);
        for (var b = 0; b < 4; b++) {
            line += across[b] * VF(x[(row + mirrored(i32(corner.x) + b - 1, p.W)) * p.C + at.c]);
        }
        sum += down[a] * line;
    }
    y[o] = V(sum);
}
