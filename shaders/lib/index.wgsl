// Index of this invocation when a long grid was folded into y (host: `grid1d`). Needs `override WG`.
fn linear_index(id: vec3u, groups: vec3u) -> u32 {
    return id.x + id.y * groups.x * WG;
}
