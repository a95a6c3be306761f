// Where element o of an image [N, H, W, C] lies.
struct Pixel { n: u32, y: u32, x: u32, c: u32 }

fn pixel(o: u32, C: u32, W: u32, H: u32) -> Pixel {
    let column = o / C;
    let row = column / W;
    let n = row / H;
    return Pixel(n, row - n * H, column - row * W, o - column * C);
}
