// The run of pixels that one invocation walks, in one vector of channels of a [N, HW, C] tensor: T pixels, R apart.
// R neighbouring invocations along the pixels share a block of R*T pixels, so that narrow tensors are read in whole lines.
// Host: `pixelRuns`.
struct Run { n: u32, k: u32, v: u32, first: u32, count: u32 }

/// Pixels in run k of a picture.
fn run_count(k: u32, HW: u32, R: u32, T: u32) -> u32 {
    let first = (k / R) * R * T + k % R;
    if first >= HW { return 0u; }
    return min(T, (HW - first + R - 1u) / R);
}

fn pixel_run(i: u32, HW: u32, CV: u32, K: u32, R: u32, T: u32) -> Run {
    let row = i / CV;
    let k = row % K;
    return Run(row / K, k, i % CV, (k / R) * R * T + k % R, run_count(k, HW, R, T));
}
