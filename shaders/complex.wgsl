// Products of complex numbers.
//   y[i] = a[ia(i)] b[ib(i)], or conj(a[ia(i)]) b[ib(i)]; alone: conj(a) or |a|
//
// y [d4, d3, d2, d1, d0]   axes merged by the host where both operands run on
// a, b                     strides sa4 … sa0 and sb4 … sb0, in numbers, 0 along the axes where the operand is constant
// r                        a real second operand, in b's place
//
// Dispatch: one invocation per number of y.
//
// Ceiling: bytes.

override WG: u32 = 64;
override OP: u32 = 0;

struct Params {
    n: u32, d0: u32, d1: u32, d2: u32, d3: u32,
    sa0: u32, sa1: u32, sa2: u32, sa3: u32, sa4: u32,
    sb0: u32, sb1: u32, sb2: u32, sb3: u32, sb4: u32,
}

@group(0) @binding(0) var<storage, read> a: array<Complex>;
@group(0) @binding(1) var<storage, read> b: array<Complex>;
@group(0) @binding(2) var<storage, read> r: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Complex>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/complex.wgsl"

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let i1 = i / p.d0;
    let i2 = i1 / p.d1;
    let i3 = i2 / p.d2;
    let i4 = i3 / p.d3;
    let k0 = i - i1 * p.d0;
    let k1 = i1 - i2 * p.d1;
    let k2 = i2 - i3 * p.d2;
    let k3 = i3 - i4 * p.d3;
    let u = a[k0 * p.sa0 + k1 * p.sa1 + k2 * p.sa2 + k3 * p.sa3 + i4 * p.sa4];
    let ib = k0 * p.sb0 + k1 * p.sb1 + k2 * p.sb2 + k3 * p.sb3 + i4 * p.sb4;
    switch OP {
        case 0u: { y[i] = cmul(u, b[ib]); }
        case 1u: { y[i] = cmul(conj(u), b[ib]); }
        case 2u: { y[i] = u * r[ib]; }
        default: { y[i] = conj(u); }
    }
}
