// ONNX Runtime's WebGPU execution provider, the native one (it carries its own Dawn). It has no FFT on the GPU and no
// gradients here. A node that would fall back to the processor is an error, so that only the adapter is measured.
import ort from "onnxruntime-node";
import { channelsFirst, channelsLast, headsFirst, headsInside } from "./layout.mjs";
import { model } from "./onnx.mjs";

const options = (preferredLayout) => ({
  executionProviders: [preferredLayout ? { name: "webgpu", preferredLayout } : "webgpu"],
  logSeverityLevel: 3,
  extra: { session: { disable_cpu_ep_fallback: "1" } },
});
const onGpu = { preferredOutputLocation: "gpu-buffer" };
const session = (graph, more = {}, layout) => ort.InferenceSession.create(model(graph), { ...options(layout), ...more });
const host = ({ shape, data }) => new ort.Tensor("float32", data, shape);

// its tensors on the GPU come from an identity, and a download is one too
const identity = (shape, more) =>
  session({ nodes: [{ op: "Identity", from: ["x"], to: "y" }], inputs: { x: shape }, outputs: { y: shape } }, more);
async function upload(input) {
  const copy = await identity(input.shape, onGpu);
  return (await copy.run({ x: host(input) })).y;
}

// a run returns before the GPU is done; a read of one number waits for all before it
let tiny;
const idle = () => tiny.run({ x: new ort.Tensor("float32", new Float32Array(1), [1]) });

async function running(graph, inputs, back, layout) {
  const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
  const made = await session({ ...graph, inputs: shapes }, onGpu, layout);
  const [[out, shape]] = Object.entries(graph.outputs);
  const feeds = {};
  for (const [name, input] of Object.entries(inputs)) feeds[name] = await upload(input);
  const download = await identity(shape);
  return {
    async run() {
      (await made.run(feeds))[out].dispose();
    },
    async output() {
      const y = (await made.run(feeds))[out];
      const { data } = (await download.run({ x: y })).y;
      y.dispose();
      return [back(data)];
    },
    async end() {
      for (const feed of Object.values(feeds)) feed.dispose();
      await made.release();
      await download.release();
    },
  };
}

const convolution =
  (layout) =>
  ({ N, H, W, O, k }, { x, w, b }) => {
    const p = (k - 1) / 2;
    const nodes = [{ op: "Conv", from: ["x", "w", "b"], to: "y", kernel_shape: [k, k], pads: [p, p, p, p] }];
    const graph = { nodes, outputs: { y: [N, O, H, W] }, constants: { w, b } };
    return running(graph, { x: channelsFirst(x) }, (y) => channelsLast(y, N, O), layout);
  };

export default {
  async available() {
    if (!ort.listSupportedBackends().some(({ name }) => name === "webgpu"))
      throw new Error("this build of onnxruntime-node has no WebGPU");
    tiny = await session({ nodes: [{ op: "Sigmoid", from: ["x"], to: "y" }], inputs: { x: [1] }, outputs: { y: [1] } });
    await idle();
  },
  idle,
  cases: {
    conv3x3: convolution("NHWC"),
    "conv3x3/NCHW": convolution("NCHW"),
    conv1x1: convolution("NHWC"),
    "conv1x1/NCHW": convolution("NCHW"),
    matmul: ({ M, N }, { a, b }) =>
      running({ nodes: [{ op: "MatMul", from: ["a", "b"], to: "y" }], outputs: { y: [M, N] } }, { a, b }, (y) => y),
    attention(size, { q, k, v }) {
      const { heads, T, ch } = size;
      const nodes = [
        { op: "Transpose", from: ["k"], to: "kt", perm: [0, 2, 1] },
        { op: "MatMul", from: ["q", "kt"], to: "logits" },
        { op: "Mul", from: ["logits", "scale"], to: "scaled" },
        { op: "Softmax", from: ["scaled"], to: "weights", axis: 2 },
        { op: "MatMul", from: ["weights", "v"], to: "y" },
      ];
      const scale = { shape: [1], data: Float32Array.of(ch ** -0.5) };
      const graph = { nodes, outputs: { y: [heads, T, ch] }, constants: { scale } };
      const first = { q: headsFirst(q, size), k: headsFirst(k, size), v: headsFirst(v, size) };
      return running(graph, first, (y) => headsInside(y, size));
    },
    "attention/fused"({ heads, T, ch }, { q, k, v }) {
      const fused = { op: "MultiHeadAttention", domain: "com.microsoft", num_heads: heads };
      const nodes = [{ ...fused, from: ["q", "k", "v"], to: "y" }];
      return running({ nodes, outputs: { y: [1, T, heads * ch] } }, { q, k, v }, (y) => y);
    },
    // GroupNormalization unfolds into nodes of the processor; InstanceNormalization over [groups, C/groups H W] does not
    groupNormSilu({ N, H, W, C, groups }, { x, gamma, beta }) {
      const split = [N, groups, C / groups, H * W];
      const column = ({ data }) => ({ shape: [groups, C / groups, 1], data });
      const each = (value) => ({ shape: [groups], data: new Float32Array(groups).fill(value) });
      const nodes = [
        { op: "InstanceNormalization", from: ["x", "one", "zero"], to: "n", epsilon: { float: 1e-5 } },
        { op: "Mul", from: ["n", "gamma"], to: "m" },
        { op: "Add", from: ["m", "beta"], to: "z" },
        { op: "Sigmoid", from: ["z"], to: "s" },
        { op: "Mul", from: ["z", "s"], to: "y" },
      ];
      const constants = { gamma: column(gamma), beta: column(beta), one: each(1), zero: each(0) };
      const feeds = { x: { shape: split, data: channelsFirst(x).data } };
      return running({ nodes, outputs: { y: split }, constants }, feeds, (y) => channelsLast(y, N, C));
    },
  },
};
