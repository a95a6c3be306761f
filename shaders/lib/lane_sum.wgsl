// Sum over LANES_PER_GROUP (a power of 2) neighbouring invocations, given to each of them. Needs `override WG`.
var<workgroup> sh_sum: array<f32, WG>;

fn lane_sum(value: f32, local: u32, lane: u32) -> f32 {
    if LANES_PER_GROUP == 1u { return value; }
    workgroupBarrier(); // the previous sum may still be being read
    sh_sum[local] = value;
    for (var s = LANES_PER_GROUP / 2u; s > 0u; s /= 2u) {
        workgroupBarrier();
        if lane < s { sh_sum[local] += sh_sum[local + s]; }
    }
    workgroupBarrier();
    return sh_sum[local - lane];
}
