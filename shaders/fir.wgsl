// Up, filter, down: zeros between the samples, a small filter, every down-th result; the same along both axes.
//   y[n, i, j, c] = sum_{m, l} h[down i + qy - up m, down j + qx - up l] x[n, m, l, c]
//   h[a, b] = K[a] K[b], or when TABLE k[|flip - a|, |flip - b|], flip = taps - 1 or 0; zero outside taps x taps
//
// x [N, H, W, C]
// k [taps, taps]        only read when TABLE
// y [N, Ho, Wo, C]
//
// Dispatch: one invocation per vector of LANES channels of y. C counts vectors.
//
// Why: only taps that meet a sample are visited, (taps / up)^2 of them. With up and down exchanged, the filter
// flipped and q -> taps - 1 - q this is its own adjoint. The loops are bounded by parameters, not constants: unrolled, they took
// lavapipe 5 s to compile. Ceiling: bytes.

override WG: u32 = 64;
override LONG: bool = false;
override TABLE: bool = false;

struct Params {
    n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, qy: i32, qx: i32, up: u32, down: u32, taps: u32, flip: i32,
    k0: f32, k1: f32, k2: f32, k3: f32, k4: f32, k5: f32, k6: f32, k7: f32,
    k8: f32, k9: f32, k10: f32, k11: f32, k12: f32, k13: f32, k14: f32, k15: f32,
}

@group(0) @binding(0) var<storage, read> x: array<V>;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"

// LONG: more than 4 taps
fn tap(t: u32) -> f32 {
    let first = vec4f(p.k0, p.k1, p.k2, p.k3);
    if !LONG { return first[t]; }
    let low = select(vec4f(p.k4, p.k5, p.k6, p.k7), first, t < 4u)[t & 3u];
    let high = select(vec4f(p.k12, p.k13, p.k14, p.k15), vec4f(p.k8, p.k9, p.k10, p.k11), t < 12u)[t & 3u];
    return select(high, low, t < 8u);
}

fn entry(a: u32, b: u32) -> f32 {
    return k[u32(abs(p.flip - i32(a))) * p.taps + u32(abs(p.flip - i32(b)))];
}

// The last sample that meets the filter, and the tap it meets: the ones before it meet every up-th tap from there.
struct Meet { sample: i32, tap: u32 }

fn meet(i: u32, q: i32) -> Meet {
    let s = i32(p.down * i) + q;
    // s < 0 meets nothing: m < 0, or the tap wraps round and is beyond the filter
    let m = s / i32(p.up);
    return Meet(m, u32(s - m * i32(p.up)));
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.Wo, p.Ho);
    let row = meet(at.y, p.qy);
    let column = meet(at.x, p.qx);
    var s = VF(0.0);
    var m = row.sample;
    for (var a = row.tap; a < p.taps; a += p.up) {
        if m >= 0 && m < i32(p.H) {
            let first = (at.n * p.H + u32(m)) * p.W * p.C + at.c;
            var l = column.sample;
            var line = VF(0.0);
            for (var b = column.tap; b < p.taps; b += p.up) {
                if l >= 0 && l < i32(p.W) {
                    var h: f32;
                    if TABLE { h = entry(a, b); } else { h = tap(b); }
                    line += h * VF(x[first + u32(l) * p.C]);
                }
                l -= 1;
            }
            if TABLE { s += line; } else { s += tap(a) * line; }
        }
        m -= 1;
    }
    y[o] = V(s);
}
