// A tile of 4 RT rows by 32 columns of tokens, for 8 RT threads.
// Thread (tx, ty) has rows 4 ty + i and columns tx + 8 j, as component j of a vector. Needs const RT. Channels come in slices of 4 vectors, staged by the caller.
// Loops that a compiler need not unroll have bounds it does not know: software adapters take minutes otherwise.
const ROWS: u32 = 4u * RT;
const THREADS: u32 = 8u * RT;
const COLUMNS: u32 = 32u;

var<workgroup> sh_a: array<vec4f, 4u * ROWS>;    // [row][vector]
var<workgroup> sh_b: array<vec4f, 4u * COLUMNS>; // [vector][column], so that neighbours in tx read neighbours
var<workgroup> sh_w: array<vec4f, 8u * ROWS>;    // [row][tx], weights

/// x[i] += inner products of row i with the 4 columns, over `count` staged vectors.
fn tile_product(x: ptr<function, array<vec4f, 4>>, tx: u32, ty: u32, count: u32) {
    for (var d = 0u; d < count; d++) {
        let at = d * COLUMNS + tx;
        let b = mat4x4f(sh_b[at], sh_b[at + 8u], sh_b[at + 16u], sh_b[at + 24u]);
        for (var i = 0u; i < 4u; i++) { (*x)[i] += sh_a[(4u * ty + i) * 4u + d] * b; }
    }
}
