// Random numbers, uniform or normal.
//   uniform   y = low + (high - low) (floor(w / 2^9) + 1/2) / 2^23
//   normal    y = r cos(2 pi u), r sin(2 pi u),  r = sqrt(-2 ln v),  u, v = (w + 1/2) / 2^32      [Box, Muller 1958]
//   where w are the words of philox(counter (i, call, stream), key), two to a pair (v, u)
//
// y [n]
//
// Dispatch: one invocation per 4 numbers.
//
// Why: WGSL promises neither log nor cos nor even fma and sqrt exactly, so: the angle is reduced and its sine evaluated in
// integers; the logarithm is a polynomial, added to n ln 2 in fixed point; the square root is corrected by an exact integer
// residual; and both factors of the last product carry a low part. The error is that of two roundings, below 5e-7 up to
// |y| = 6.8. Ceiling: integer operations.

override WG: u32 = 64;
override NORMAL: bool = true;

struct Params { n: u32, call: u32, stream0: u32, stream1: u32, key0: u32, key1: u32, low: f32, high: f32 }

@group(0) @binding(0) var<storage, read_write> y: array<Elem>;
@group(1) @binding(0) var<uniform> p: Params;

#include "lib/index.wgsl"
#include "lib/random.wgsl"

// -ln(1 - v) for 0 < v <= 1/2, to 2e-9 relative before rounding
fn minus_log1m(v: f32) -> f32 {
    var q = 1.6533604;
    q = -2.3887577 + v * q;
    q = 1.9088137 + v * q;
    q = -0.6019342 + v * q;
    q = 0.31782106 + v * q;
    q = 0.14161485 + v * q;
    q = 0.20202969 + v * q;
    q = 0.24991733 + v * q;
    q = 0.33333462 + v * q;
    q = 0.5 + v * q;
    return v + v * v * q;
}

// sqrt(-2 ln((w + 1/2) / 2^32)) as a sum of two floats
fn radius(w: u32) -> vec2f {
    let n = countLeadingZeros(w);
    if n == 0u {
        // near 1 the distance from 1 is what is exact
        return vec2f(sqrt(2.0 * minus_log1m((f32(~w) + 0.5) * exp2(-32.0))), 0.0);
    }
    // (w + 1/2) 2^n in [2^31, 2^32), which is exact
    let m = select((w << n) | (1u << (n - 1u)), 0x80000000u, n == 32u);
    let log_m = minus_log1m(f32(0u - m) * exp2(-32.0));
    // 2^26 times -ln: at most 33 ln 2 there
    let a = n * 46516320u + u32(round(log_m * exp2(26.0)));
    // 2^21 r as an integer s; then r^2 = 2^-25 a, so the residual 2^17 a - s^2 is exact in 64 bits
    let s = u32(round(sqrt(f32(a) * exp2(-25.0)) * exp2(21.0)));
    let s2 = mul_wide(s, s);
    let a2 = vec2u(a >> 15u, a << 17u);
    let residual = f32(i32(a2.x - s2.x - u32(a2.y < s2.y))) * exp2(32.0) + f32(a2.y - s2.y);
    let root = f32(s);
    return vec2f(root, residual / (2.0 * root)) * exp2(-21.0);
}

// cos and sin of 2 pi (w + 1/2) / 2^32, each as a sum of two floats: (cos, its rest, sin, its rest)
fn turn(w: u32) -> vec4f {
    let octant = w >> 29u;
    let within = (w << 3u) | 4u;
    // odd octants count back from the axis that follows
    let x = select(within, 0u - within, (octant & 1u) == 1u);
    let t = mul_high(x, x);
    // series of sin and 1 - cos of (pi / 4) x, coefficients times 2^32
    var a = 157094u - mul_high(t, 1346u);
    a = 10696163u - mul_high(t, a);
    a = 346799334u - mul_high(t, a);
    a = 3373259426u - mul_high(t, a);
    let sine = mul_high(x, a) >> 1u;
    var b = 15423u - mul_high(t, 106u);
    b = 1400124u - mul_high(t, b);
    b = 68093890u - mul_high(t, b);
    b = 1324675879u - mul_high(t, b);
    let cosine = 0x80000000u - (mul_high(t, b) >> 1u);
    let c = two_floats(cosine);
    let s = two_floats(sine) * select(1.0, -1.0, (octant & 1u) == 1u);
    switch ((octant + 1u) >> 1u) & 3u {
        case 0u: { return vec4f(c, s); }
        case 1u: { return vec4f(-s, c); }
        case 2u: { return vec4f(-c, -s); }
        default: { return vec4f(s, -c); }
    }
}

// k / 2^31, exactly
fn two_floats(k: u32) -> vec2f {
    return vec2f(f32(k & 0xffffff00u), f32(k & 0xffu)) * exp2(-31.0);
}

fn pair(w: vec2u) -> vec2f {
    let r = radius(w.x);
    let z = turn(w.y);
    return r.x * z.xz + (r.x * z.yw + r.y * z.xz);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let i = linear_index(id, groups);
    let at = 4u * i;
    if at >= p.n { return; }
    let w = philox(vec4u(i, p.call, p.stream0, p.stream1), vec2u(p.key0, p.key1));
    var z: vec4f;
    if NORMAL {
        z = vec4f(pair(w.xy), pair(w.zw));
    } else {
        z = p.low + (p.high - p.low) * ((vec4f(w >> vec4u(9u)) + 0.5) * exp2(-23.0));
    }
    y[at] = Elem(z.x);
    if at + 1u < p.n { y[at + 1u] = Elem(z.y); }
    if at + 2u < p.n { y[at + 2u] = Elem(z.z); }
    if at + 3u < p.n { y[at + 3u] = Elem(z.w); }
}
