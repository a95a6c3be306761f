// jax-js, each case under jit. Its arrays move when used: `.ref` keeps one.
import { channelsFirst, channelsLast, headsFirst, headsInside } from "./layout.mjs";

// it uses iterator helpers, which Node has from 22 on
const iterators = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
iterators.map ??= function* (f) {
  let i = 0;
  for (const x of this) yield f(x, i++);
};
iterators.filter ??= function* (f) {
  let i = 0;
  for (const x of this) if (f(x, i++)) yield x;
};
iterators.toArray ??= function () {
  return [...this];
};

const { init, defaultDevice, numpy: np, lax, nn, jit, grad, blockUntilReady } = await import("@jax-js/jax");
const upload = ({ shape, data }) => np.array(data, { shape });

// it is lazy: what is disposed before it was asked for is never computed, so all calls are kept until the wait
let asked = [];
function running(f, inputs, back) {
  const held = inputs.map(upload);
  const compiled = jit(f);
  const call = () => {
    const y = compiled(...held.map((t) => t.ref));
    return Array.isArray(y) ? y : [y];
  };
  return {
    run() {
      asked.push(...call());
    },
    async output() {
      return back(await Promise.all(call().map((t) => t.data())));
    },
    end() {
      for (const t of held) t.dispose();
    },
  };
}

async function convolution({ N, O }, { x, w, b }) {
  const bias = { shape: [O, 1, 1], data: b.data };
  const f = (x, w, b) => lax.convGeneralDilated(x, w, [1, 1], "SAME").add(b);
  return running(f, [channelsFirst(x), w, bias], ([y]) => [channelsLast(y, N, O)]);
}

export default {
  async available() {
    if (!(await init()).includes("webgpu")) throw new Error("jax-js finds no WebGPU");
    defaultDevice("webgpu");
  },
  async idle() {
    const calls = asked.splice(0);
    await blockUntilReady(calls);
    for (const t of calls) t.dispose();
  },
  cases: {
    conv3x3: convolution,
    conv1x1: convolution,
    async convBackward({ N, I }, { x, w, g }) {
      const loss = (p, g) => np.sum(np.square(lax.convGeneralDilated(p[0], p[1], [1, 1], "SAME")).mul(g));
      const f = (x, w, g) => grad(loss)([x, w], g);
      return running(f, [channelsFirst(x), w, channelsFirst(g)], ([dx, dw]) => [channelsLast(dx, N, I), dw]);
    },
    matmul: async (_, { a, b }) => running((a, b) => np.matmul(a, b), [a, b], (y) => y),
    async attention(size, { q, k, v }) {
      const weights = (q, k) => nn.softmax(np.matmul(q, np.matrixTranspose(k)).mul(size.ch ** -0.5), -1);
      const first = [q, k, v].map((t) => headsFirst(t, size));
      return running((q, k, v) => np.matmul(weights(q, k), v), first, ([y]) => [headsInside(y, size)]);
    },
    async "attention/dotProductAttention"({ heads, T, ch }, { q, k, v }) {
      const split = [q, k, v].map(({ data }) => ({ shape: [1, T, heads, ch], data }));
      return running((q, k, v) => nn.dotProductAttention(q, k, v), split, (y) => y);
    },
    async groupNormSilu({ N, H, W, C, groups }, { x, gamma, beta }) {
      const grouped = { shape: [N, groups, (H * W * C) / groups], data: channelsFirst(x).data };
      const column = ({ data }) => ({ shape: [C, 1], data });
      const f = (x, gamma, beta) => {
        const d = x.ref.sub(np.mean(x, -1, { keepdims: true }));
        const v = np.mean(d.ref.mul(d.ref), -1, { keepdims: true });
        return nn.silu(d.div(np.sqrt(v.add(1e-5))).reshape([N, C, H * W]).mul(gamma).add(beta));
      };
      return running(f, [grouped, column(gamma), column(beta)], ([y]) => [channelsLast(y, N, C)]);
    },
    async fft2({ N, H, W }, { x }) {
      const part = (i) => ({ shape: [N, H, W], data: x.data.filter((_, at) => at % 2 === i) });
      const f = (real, imag) => {
        const z = np.fft.fft2({ real, imag });
        return [z.real, z.imag];
      };
      const back = ([a, b]) => {
        const out = new Float32Array(2 * a.length);
        for (let i = 0; i < a.length; i++) [out[2 * i], out[2 * i + 1]] = [a[i], b[i]];
        return [out];
      };
      return running(f, [part(0), part(1)], back);
    },
  },
};
