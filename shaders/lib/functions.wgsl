// Functions that neither overflow into NaN nor cancel, on f32 or vec4f (`VF`). WGSL's own tanh may overflow for large |x|.

// 1 / (1 + e^-x), by an exponential that cannot overflow
fn sigmoid(x: VF) -> VF {
    let e = exp(-abs(x));
    return select(e, VF(1.0), x >= VF(0.0)) / (1.0 + e);
}

fn stable_tanh(x: VF) -> VF {
    let e = exp(-2.0 * abs(x));
    let far = sign(x) * (1.0 - e) / (1.0 + e);
    let q = x * x;
    // Taylor series: below 1/4 its next term is 5e-11
    let near = x + x * q * (-1.0 / 3.0 + q * (2.0 / 15.0 + q * (-17.0 / 315.0 + q * (62.0 / 2835.0 - q * (1382.0 / 155925.0)))));
    return select(far, near, abs(x) < VF(0.25));
}

// log(1 + e) for 0 <= e <= 1; below 0.03 the series is exact to 4e-9 relative, where 1 + e loses digits
fn log1p(e: VF) -> VF {
    let series = e * (1.0 - e * (0.5 - e * (1.0 / 3.0 - e * (0.25 - e * 0.2))));
    return select(log(1.0 + e), series, e < VF(0.03));
}
