// Poisson random numbers of given means, by inversion.
//   y = the sum over parts of the least k with u < F(k), F the distribution of mean rate / parts, parts = ceil(rate / 8)
//   beyond 1024: y = round(rate + sqrt(rate) z), z normal [Box, Muller 1958], at least 0
//
// rate  [n]  what is not above 0, NaN included, gives 0
// bits  [n]  a random word for each; u, z from philox(counter (quarter, 0, 0, 0), key (bits, "pois"))
// y     [n]
//
// Dispatch: one invocation per number.
//
// Why: in parts of mean 8 at most, exp(-mean) and the sums stay well within f32, and a sum of Poisson numbers is one. The
// words are the same on every adapter, exp and sqrt are not to the last bit: two adapters may differ by 1 in one number of
// a million. Ceiling: integer operations.

override WG: u32 = 64;

struct Params { n: u32 }

@group(0) @binding(0) var<storage, read> rate: array<f32>;
@group(0) @binding(1) var<storage, read> bits: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/random.wgsl"

fn unit(w: u32) -> f32 {
    return (f32(w >> 8u) + 0.5) * exp2(-24.0);
}

fn small(mean: f32, u: f32) -> f32 {
    var chance = exp(-mean);
    var total = chance;
    var k = 0.0;
    while u >= total && k < 64.0 {
        k += 1.0;
        chance *= mean / k;
        total += chance;
    }
    return k;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    if i >= p.n { return; }
    let mean = rate[i];
    let key = vec2u(bits[i], 0x706f6973u);
    if mean > 1024.0 {
        let w = philox(vec4u(0u), key);
        let z = sqrt(-2.0 * log(unit(w.x))) * cos(6.2831855 * unit(w.y));
        y[i] = max(round(mean + sqrt(mean) * z), 0.0);
        return;
    }
    var sum = 0.0;
    if mean > 0.0 {
        let parts = u32(ceil(mean / 8.0));
        var w: vec4u;
        for (var k = 0u; k < parts; k++) {
            if (k & 3u) == 0u { w = philox(vec4u(k >> 2u, 0u, 0u, 0u), key); }
            sum += small(mean / f32(parts), unit(w[k & 3u]));
        }
    }
    y[i] = sum;
}
