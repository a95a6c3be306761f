// Pixels to channels (SPACE = false) and back (SPACE = true), in PyTorch's channel order.
//   z[n, i, j, c r^2 + a r + b] = x[n, r i + a, r j + b, c]
//
// x [N, r h, r w, C]      z [N, h, w, C r^2]; the input is one of them, the output the other
//
// Dispatch: one invocation per element of the output. C counts the channels of x.
//
// Why: at most the picture itself is shuffled, so scalars will do. Ceiling: bytes.

override WG: u32 = 64;
override SPACE: bool = false;

struct Params { n: u32, C: u32, w: u32, h: u32, r: u32 }

@group(0) @binding(0) var<storage, read> input: array<Elem>;
@group(0) @binding(1) var<storage, read_write> output: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/pixel.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let r = p.r;
    if SPACE {
        let at = pixel(o, p.C, p.w * r, p.h * r);
        let i = at.y / r;
        let j = at.x / r;
        let block = (at.y - i * r) * r + at.x - j * r;
        output[o] = input[((at.n * p.h + i) * p.w + j) * p.C * r * r + at.c * r * r + block];
    } else {
        let at = pixel(o, p.C * r * r, p.w, p.h);
        let c = at.c / (r * r);
        let a = (at.c / r) % r;
        let b = at.c % r;
        output[o] = input[((at.n * p.h * r + at.y * r + a) * p.w * r + at.x * r + b) * p.C + c];
    }
}
