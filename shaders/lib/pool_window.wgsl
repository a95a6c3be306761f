// Pooling windows of p.size pixels every p.stride, the first p.padding before the image: along one axis, half open.
struct Span { first: u32, end: u32 }

// The pixels of window o that lie in an image of this length.
fn window_pixels(o: u32, length: u32) -> Span {
    let end = o * p.stride + p.size;
    return Span(max(o * p.stride, p.padding) - p.padding, min(end - min(end, p.padding), length));
}

// The windows, of so many, that hold pixel i.
fn pixel_windows(i: u32, count: u32) -> Span {
    let last = i + p.padding;
    let past = last + 1u - min(last + 1u, p.size);
    return Span((past + p.stride - 1u) / p.stride, min(last / p.stride + 1u, count));
}
