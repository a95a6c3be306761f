// Philox-4x32-10 [Salmon et al. 2011]: four random words from a counter and a key, with no state.

// the upper and lower words of a b, by 16-bit halves
fn mul_wide(a: u32, b: u32) -> vec2u {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    let mid = ah * bl + (low >> 16u);
    let mid2 = al * bh + (mid & 0xffffu);
    return vec2u(ah * bh + (mid >> 16u) + (mid2 >> 16u), a * b);
}

fn mul_high(a: u32, b: u32) -> u32 {
    return mul_wide(a, b).x;
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
    var c = counter;
    var k = key;
    for (var i = 0u; i < 10u; i++) {
        let p = mul_wide(0xD2511F53u, c.x);
        let q = mul_wide(0xCD9E8D57u, c.z);
        c = vec4u(q.x ^ c.y ^ k.x, q.y, p.x ^ c.w ^ k.y, p.y);
        k += vec2u(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}
