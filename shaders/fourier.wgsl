// Random Fourier features: sine and cosine of stored frequencies times labels that the host knows in doubles.
//   y[n, i] = sin(2 pi W[i] u[n])      y[n, F + i] = cos(2 pi W[i] u[n])      (COS_FIRST: the other half first)
//
// W     [F]
// turns [N, 256, 2]   u[n] 2^(e - 150) modulo 1, in units of 2^-64, low word first, for each exponent e of a float
// y     [N, 2 F]
//
// Dispatch: one invocation per (n, i).
//
// Why: W u is hundreds of turns, of which f32 keeps 1e-5, and WGSL promises nothing of sin beyond pi. W is m 2^(e - 150)
// with an integer m, so m times the entry for e is the phase, and whole turns fall off the end of the integer: no float
// is rounded before the phase is below an eighth of a turn, and there is nothing that a compiler could reassociate.

override WG: u32 = 64;
override COS_FIRST: bool = false;

struct Params { n: u32, F: u32 }

@group(0) @binding(0) var<storage, read> W: array<f32>;
@group(0) @binding(1) var<storage, read> turns: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"

const UNIT = 1.4629180792671596e-9; // 2 pi / 2^32

// m t / 2^32, m of 24 bits, to three units.
fn high(m: u32, t: u32) -> u32 {
    let a = m >> 16u;
    let b = t >> 16u;
    return a * b + ((b * (m & 0xffffu)) >> 16u) + ((a * (t & 0xffffu)) >> 16u);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let o = linear_index(id, groups);
    if o >= p.n { return; }
    let n = o / p.F;
    let i = o % p.F;
    let bits = bitcast<u32>(W[i]);
    let e = (bits >> 23u) & 0xffu;
    let m = (bits & 0x7fffffu) | 0x800000u;
    let at = 2u * (n * 256u + e);
    let whole = m * turns[at + 1u] + high(m, turns[at]);
    let phase = select(whole, 0u - whole, (bits >> 31u) == 1u);

    // the nearest quarter turn, and what is left of at most an eighth
    let quarter = (phase + 0x20000000u) >> 30u;
    let a = UNIT * f32(bitcast<i32>(phase - (quarter << 30u)));
    let q = a * a;
    let s = a * (1.0 - q / 6.0 * (1.0 - q / 20.0 * (1.0 - q / 42.0 * (1.0 - q / 72.0))));
    let c = 1.0 - q / 2.0 * (1.0 - q / 12.0 * (1.0 - q / 30.0 * (1.0 - q / 56.0 * (1.0 - q / 90.0))));
    let swap = (quarter & 1u) == 1u;
    let sine = select(s, c, swap) * select(1.0, -1.0, (quarter & 2u) == 2u);
    let cosine = select(c, s, swap) * select(1.0, -1.0, ((quarter + 1u) & 2u) == 2u);
    let row = n * 2u * p.F;
    y[row + i] = select(sine, cosine, COS_FIRST);
    y[row + p.F + i] = select(cosine, sine, COS_FIRST);
}
