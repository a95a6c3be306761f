// silu(z) = z s, s = 1 / (1 + exp(-z)); its slope is s + z s (1 - s). The clamp keeps exp finite.
fn silu(z: VF) -> VF {
    return z / (1.0 + exp(-max(z, VF(-80.0))));
}
fn silu_slope(z: VF) -> VF {
    let s = 1.0 / (1.0 + exp(-max(z, VF(-80.0))));
    return s + z * s * (1.0 - s);
}
