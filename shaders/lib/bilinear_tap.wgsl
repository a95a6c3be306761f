// The two samples of a row between which sample i of the stretched row lies, and how far from the first.
// It lies at (i + 1/2) length / size - 1/2, within the row. Whole numbers until the last division, so that it is exact.
struct Tap { a: u32, b: u32, t: f32 }

fn bilinear_tap(i: u32, length: u32, size: u32) -> Tap {
    let ahead = max((2u * i + 1u) * length, size) - size;
    let a = ahead / (2u * size);
    return Tap(a, min(a + 1u, length - 1u), f32(ahead - a * 2u * size) / f32(2u * size));
}
