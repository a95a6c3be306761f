// A function of two variables, at every element of their common shape; either may be constant along some axes.
//   y[i] = a[ia(i)] (op) b[ib(i)]
//
// y [d4, d3, d2, d1, d0]   axes merged by the host where both operands run on; d0 counted in vectors of LANES
// a, b                     strides sa4 … sa0 and sb4 … sb0, in elements, 0 along the axes where the operand is constant
// a1, b1                   the same tensors again, read one element at a time where the stride of d0 is 0
//
// Dispatch: one invocation per vector of LANES elements of y.
//
// Why: merged, a channel factor is two axes and a mask three, so there is a division or two. Ceiling: bytes.

override WG: u32 = 64;
override OP: u32 = 0;
override RANK: u32 = 5;
// whether the operand runs along d0
override A_RUNS: bool = true;
override B_RUNS: bool = true;

struct Params {
    n: u32, d0: u32, d1: u32, d2: u32, d3: u32,
    sa1: u32, sa2: u32, sa3: u32, sa4: u32,
    sb1: u32, sb2: u32, sb3: u32, sb4: u32,
}

@group(0) @binding(0) var<storage, read> a: array<V>;
@group(0) @binding(1) var<storage, read> b: array<V>;
@group(0) @binding(2) var<storage, read> a1: array<Elem>;
@group(0) @binding(3) var<storage, read> b1: array<Elem>;
@group(0) @binding(4) var<storage, read_write> y: array<V>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

fn f(a: VF, b: VF) -> VF {
    switch OP {
        case 0u: { return a * b; }
        case 1u: { return a + b; }
        case 2u: { return a - b; }
        case 3u: { return a / b; }
        // b where the mask a holds, and where it does not
        case 4u: { return select(VF(0.0), b, a != VF(0.0)); }
        case 5u: { return select(b, VF(0.0), a != VF(0.0)); }
        default: { return a; }
    }
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    var k = i;
    var ia = 0u;
    var ib = 0u;
    if RANK > 1u {
        let i1 = i / p.d0;
        k = i - i1 * p.d0;
        ia = i1 * p.sa1;
        ib = i1 * p.sb1;
        if RANK > 2u {
            let i2 = i1 / p.d1;
            let k1 = i1 - i2 * p.d1;
            ia = k1 * p.sa1 + i2 * p.sa2;
            ib = k1 * p.sb1 + i2 * p.sb2;
            if RANK > 3u {
                let i3 = i2 / p.d2;
                let i4 = i3 / p.d3;
                let k2 = i2 - i3 * p.d2;
                let k3 = i3 - i4 * p.d3;
                ia = k1 * p.sa1 + k2 * p.sa2 + k3 * p.sa3 + i4 * p.sa4;
                ib = k1 * p.sb1 + k2 * p.sb2 + k3 * p.sb3 + i4 * p.sb4;
            }
        }
    }
    var u: VF;
    var v: VF;
    if A_RUNS { u = VF(a[ia / LANES + k]); } else { u = VF(f32(a1[ia])); }
    if B_RUNS { v = VF(b[ib / LANES + k]); } else { v = VF(f32(b1[ib])); }
    y[i] = V(f(u, v));
}
