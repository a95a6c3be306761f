// Discrete Fourier transforms of 2, 3, 4, 5, 7, 8 and 16 numbers in registers.
//   V_k = sum_r v_r exp(-2 pi i k r / R)
// Needs the const RADIX and, for the twiddles, a table `w`. Indices are constants once loops are unrolled, so v lives
// in registers.

alias Line = array<Complex, 16>;

#include "lib/complex.wgsl"

// -i a
fn turn(a: Complex) -> Complex {
    return Complex(a.y, -a.x);
}

fn dft2(v: ptr<function, Line>, a: u32, b: u32) {
    let s = v[a];
    v[a] = s + v[b];
    v[b] = s - v[b];
}

fn dft3(v: ptr<function, Line>) {
    let s = v[1] + v[2];
    let d = 0.866025403784438647 * turn(v[1] - v[2]);
    let m = v[0] - 0.5 * s;
    v[0] += s;
    v[1] = m + d;
    v[2] = m - d;
}

fn dft4(v: ptr<function, Line>, a: u32, b: u32, c: u32, d: u32) {
    let s0 = v[a] + v[c];
    let s1 = v[a] - v[c];
    let s2 = v[b] + v[d];
    let s3 = turn(v[b] - v[d]);
    v[a] = s0 + s2;
    v[b] = s1 + s3;
    v[c] = s0 - s2;
    v[d] = s1 - s3;
}

const C5 = vec2f(0.309016994374947424, -0.809016994374947424);
const S5 = vec2f(0.951056516295153572, 0.587785252292473129);

fn dft5(v: ptr<function, Line>) {
    let s1 = v[1] + v[4];
    let s2 = v[2] + v[3];
    let d1 = v[1] - v[4];
    let d2 = v[2] - v[3];
    let m1 = v[0] + C5.x * s1 + C5.y * s2;
    let m2 = v[0] + C5.y * s1 + C5.x * s2;
    let t1 = turn(S5.x * d1 + S5.y * d2);
    let t2 = turn(S5.y * d1 - S5.x * d2);
    v[0] += s1 + s2;
    v[1] = m1 + t1;
    v[2] = m2 + t2;
    v[3] = m2 - t2;
    v[4] = m1 - t1;
}

const C7 = vec3f(0.623489801858733531, -0.222520933956314404, -0.900968867902419126);
const S7 = vec3f(0.781831482468029809, 0.974927912181823607, 0.433883739117558120);

fn dft7(v: ptr<function, Line>) {
    let s1 = v[1] + v[6];
    let s2 = v[2] + v[5];
    let s3 = v[3] + v[4];
    let d1 = v[1] - v[6];
    let d2 = v[2] - v[5];
    let d3 = v[3] - v[4];
    let m1 = v[0] + C7.x * s1 + C7.y * s2 + C7.z * s3;
    let m2 = v[0] + C7.y * s1 + C7.z * s2 + C7.x * s3;
    let m3 = v[0] + C7.z * s1 + C7.x * s2 + C7.y * s3;
    let t1 = turn(S7.x * d1 + S7.y * d2 + S7.z * d3);
    let t2 = turn(S7.y * d1 - S7.z * d2 - S7.x * d3);
    let t3 = turn(S7.z * d1 - S7.x * d2 + S7.y * d3);
    v[0] += s1 + s2 + s3;
    v[1] = m1 + t1;
    v[2] = m2 + t2;
    v[3] = m3 + t3;
    v[4] = m3 - t3;
    v[5] = m2 - t2;
    v[6] = m1 - t1;
}

const H = 0.707106781186547524;
const C16 = 0.923879532511286756;
const S16 = 0.382683432365089772;

// as 4 x 2: v_k lands at v[slot(k)]
fn dft8(v: ptr<function, Line>) {
    dft4(v, 0u, 2u, 4u, 6u);
    dft4(v, 1u, 3u, 5u, 7u);
    v[3] = H * (v[3] + turn(v[3]));
    v[5] = turn(v[5]);
    v[7] = H * (turn(v[7]) - v[7]);
    dft2(v, 0u, 1u);
    dft2(v, 2u, 3u);
    dft2(v, 4u, 5u);
    dft2(v, 6u, 7u);
}

// as 4 x 4
fn dft16(v: ptr<function, Line>) {
    dft4(v, 0u, 4u, 8u, 12u);
    dft4(v, 1u, 5u, 9u, 13u);
    dft4(v, 2u, 6u, 10u, 14u);
    dft4(v, 3u, 7u, 11u, 15u);
    v[5] = cmul(v[5], Complex(C16, -S16));
    v[6] = H * (v[6] + turn(v[6]));
    v[7] = cmul(v[7], Complex(S16, -C16));
    v[9] = H * (v[9] + turn(v[9]));
    v[10] = turn(v[10]);
    v[11] = H * (turn(v[11]) - v[11]);
    v[13] = cmul(v[13], Complex(S16, -C16));
    v[14] = H * (turn(v[14]) - v[14]);
    v[15] = cmul(v[15], Complex(-C16, S16));
    dft4(v, 0u, 1u, 2u, 3u);
    dft4(v, 4u, 5u, 6u, 7u);
    dft4(v, 8u, 9u, 10u, 11u);
    dft4(v, 12u, 13u, 14u, 15u);
}

fn butterfly(v: ptr<function, Line>) {
    switch RADIX {
        case 2u: { dft2(v, 0u, 1u); }
        case 3u: { dft3(v); }
        case 4u: { dft4(v, 0u, 1u, 2u, 3u); }
        case 5u: { dft5(v); }
        case 7u: { dft7(v); }
        case 8u: { dft8(v); }
        case 16u: { dft16(v); }
        default: {}
    }
}

// where butterfly leaves V_k
fn slot(k: u32) -> u32 {
    if RADIX == 8u { return (k >> 2u) + 2u * (k & 3u); }
    if RADIX == 16u { return (k >> 2u) + 4u * (k & 3u); }
    return k;
}

// v_r times w[r q]. Radix 8 and 16 multiply twice rather than load more: every load costs a software driver branches.
fn twiddle(v: ptr<function, Line>, q: u32) {
    if RADIX == 16u || RADIX == 8u {
        const S = RADIX / 4u;
        for (var r = 1u; r < S; r++) {
            let t = w[r * q];
            for (var b = 0u; b < 4u; b++) { v[S * b + r] = cmul(v[S * b + r], t); }
        }
        for (var b = 1u; b < 4u; b++) {
            let t = w[S * b * q];
            for (var r = 0u; r < S; r++) { v[S * b + r] = cmul(v[S * b + r], t); }
        }
    } else {
        for (var r = 1u; r < RADIX; r++) { v[r] = cmul(v[r], w[r * q]); }
    }
}
