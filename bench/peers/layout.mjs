// The contest's inputs are channels last; peers that want them first get them so before the clock starts.

/** [N, ...between, C] to [N, C, ...between]. */
export function channelsFirst({ shape, data }) {
  const [n, c] = [shape[0], shape.at(-1)];
  const inner = data.length / n / c;
  const out = new Float32Array(data.length);
  for (let b = 0; b < n; b++)
    for (let i = 0; i < inner; i++)
      for (let k = 0; k < c; k++) out[(b * c + k) * inner + i] = data[(b * inner + i) * c + k];
  return { shape: [n, c, ...shape.slice(1, -1)], data: out };
}

/** The way back, for n pictures of c channels. */
export function channelsLast(data, n, c) {
  const inner = data.length / n / c;
  const out = new Float32Array(data.length);
  for (let b = 0; b < n; b++)
    for (let k = 0; k < c; k++)
      for (let i = 0; i < inner; i++) out[(b * inner + i) * c + k] = data[(b * c + k) * inner + i];
  return out;
}

/** [O, I, k, k] to [k, k, I, O]. */
export function inputsFirst({ shape, data }) {
  const [O, I, k] = shape;
  const out = new Float32Array(data.length);
  for (let o = 0; o < O; o++)
    for (let i = 0; i < I; i++) for (let t = 0; t < k * k; t++) out[(t * I + i) * O + o] = data[(o * I + i) * k * k + t];
  return { shape: [k, k, I, O], data: out };
}

/** [k, k, I, O] to [O, I, k, k]. */
export function outputsFirst(data, { O, I, k }) {
  const out = new Float32Array(data.length);
  for (let o = 0; o < O; o++)
    for (let i = 0; i < I; i++) for (let t = 0; t < k * k; t++) out[(o * I + i) * k * k + t] = data[(t * I + i) * O + o];
  return out;
}

/** Tokens [1, T, heads ch] to [heads, T, ch], and back. */
export function headsFirst({ data }, { heads, T, ch }) {
  const out = new Float32Array(data.length);
  for (let t = 0; t < T; t++)
    for (let h = 0; h < heads; h++)
      out.set(data.subarray((t * heads + h) * ch, (t * heads + h + 1) * ch), (h * T + t) * ch);
  return { shape: [heads, T, ch], data: out };
}
export function headsInside(data, { heads, T, ch }) {
  const out = new Float32Array(data.length);
  for (let t = 0; t < T; t++)
    for (let h = 0; h < heads; h++) out.set(data.subarray((h * T + t) * ch, (h * T + t + 1) * ch), (t * heads + h) * ch);
  return out;
}
