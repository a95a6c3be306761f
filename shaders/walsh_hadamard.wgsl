// One pass of the Walsh-Hadamard transform: the Kronecker product of H = [1 1; 1 -1] with itself, along one axis.
//   y[l, a, k, b] = scale * sum over j < RADIX of (-1)^popcount(j & k) x[l, a, j, b]
//
// x, y [lines, n / (RADIX step), RADIX, step]  step counts the floats of all that lies further in
//
// Dispatch: one invocation per RADIX numbers.
//
// Why: RADIX of 16 does four stages for one reading. The order of passes does not matter. Ceiling: bytes.

override WG: u32 = 64;

struct Params { n: u32, step: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> x: array<Elem>;
@group(0) @binding(1) var<storage, read_write> y: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let outer = i / p.step;
    let first = outer * p.step * RADIX + (i - outer * p.step);
    var v: array<f32, RADIX>;
    for (var j = 0u; j < RADIX; j++) { v[j] = f32(x[first + j * p.step]); }
    for (var half = 1u; half < RADIX; half *= 2u) {
        for (var j = 0u; j < RADIX; j++) {
            if (j & half) == 0u {
                let a = v[j];
                let b = v[j + half];
                v[j] = a + b;
                v[j + half] = a - b;
            }
        }
    }
    for (var j = 0u; j < RADIX; j++) { y[first + j * p.step] = Elem(p.scale * v[j]); }
}
