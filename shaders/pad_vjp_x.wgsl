// The adjoint of padding: what was laid around the image is added back to where it came from.
//   dx[n, i, j, c] = sum of dy[n, a, b, c] over all a, b with place(a - top) = i, place(b - left) = j
//
// dy [N, Ho, Wo, C]      MODE as in pad.wgsl: 1 reflect, 2 replicate, 3 circular
// dx [N, H, W, C]
//
// Dispatch: one invocation per vector of LANES channels of dx. C counts vectors.
//
// Why: gathering from the few copies of a pixel needs no atomics, and so has one order of summation. Ceiling: bytes.

override WG: u32 = 64;
override MODE: u32 = 1;

struct Params { n: u32, C: u32, W: u32, H: u32, Wo: u32, Ho: u32, top: u32, left: u32 }

@group(0) @binding(0) var<storage, read> dy: array<V>;
@group(0) @binding(1) var<storage, read_write> dx: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"

// The copies of an index lie at a, a + step, … below end, and at b, b + step, … below end.
struct Copies { a: u32, b: u32, end: u32, step: u32 }

fn copies(i: u32, before: u32, size: u32, out: u32) -> Copies {
    if MODE == 2u {
        let first = select(i + before, 0u, i == 0u);
        let end = select(i + before + 1u, out, i == size - 1u);
        return Copies(first, end, end, 1u);
    }
    if MODE == 3u {
        return Copies((i + before) % size, out, out, size);
    }
    // reflection: every 2 (size - 1) forwards, and as often backwards, save at the two edges, where both are one
    let period = max(2u * (size - 1u), 1u);
    let back = (before + period - i % period) % period;
    return Copies((i + before) % period, select(back, out, i % (size - 1u + u32(size == 1u)) == 0u), out, period);
}

fn row_sum(first: u32, at: Copies) -> VF {
    var s = VF(0.0);
    for (var b = at.a; b < at.end; b += at.step) { s += VF(dy[first + b * p.C]); }
    for (var b = at.b; b < at.end; b += at.step) { s += VF(dy[first + b * p.C]); }
    return s;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let at = pixel(o, p.C, p.W, p.H);
    let rows = copies(at.y, p.top, p.H, p.Ho);
    let columns = copies(at.x, p.left, p.W, p.Wo);
    let image = at.n * p.Ho;
    var s = VF(0.0);
    for (var a = rows.a; a < rows.end; a += rows.step) { s += row_sum((image + a) * p.Wo * p.C + at.c, columns); }
    for (var a = rows.b; a < rows.end; a += rows.step) { s += row_sum((image + a) * p.Wo * p.C + at.c, columns); }
    dx[o] = V(s);
}
