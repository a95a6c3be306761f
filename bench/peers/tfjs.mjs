// TensorFlow.js on its WebGPU backend. Its backend looks for a browser, so it is built by hand under another name.
import * as tfModule from "@tensorflow/tfjs";
import * as webgpuModule from "@tensorflow/tfjs-backend-webgpu";
import { headsFirst, headsInside, inputsFirst, outputsFirst } from "./layout.mjs";

const tf = tfModule.default?.tensor ? tfModule.default : tfModule;
const { WebGPUBackend } = webgpuModule.default?.WebGPUBackend ? webgpuModule.default : webgpuModule;
const NAME = "webgpu-in-node";
const LIMITS = [
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
];
let device;

const upload = ({ shape, data }) => tf.tensor(data, shape);

function running(held, call, back) {
  return {
    run: () => tf.dispose(call()),
    async output() {
      const out = call();
      const read = await Promise.all(out.map((t) => t.data()));
      tf.dispose(out);
      return back(read);
    },
    end: () => tf.dispose(held),
  };
}

async function convolution(_, { x, w, b }) {
  const [tx, tw, tb] = [upload(x), upload(inputsFirst(w)), upload(b)];
  const call = () => [tf.fused.conv2d({ x: tx, filter: tw, strides: 1, pad: "same", bias: tb })];
  return running([tx, tw, tb], call, (y) => y);
}

export default {
  async available() {
    const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    device = await adapter.requestDevice({
      requiredFeatures: ["timestamp-query", "bgra8unorm-storage"].filter((f) => adapter.features.has(f)),
      requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
    });
    tf.registerBackend(NAME, () => new WebGPUBackend(device, adapter.info), 3);
    for (const kernel of tf.getKernelsForBackend("webgpu")) tf.registerKernel({ ...kernel, backendName: NAME });
    await tf.setBackend(NAME);
    await tf.ready();
  },
  // it gathers dispatches in a pass, which nothing but a read would hand over
  idle() {
    const backend = tf.backend();
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
    return device.queue.onSubmittedWorkDone();
  },
  cases: {
    conv3x3: convolution,
    conv1x1: convolution,
    async convBackward(size, { x, w, g }) {
      const [tx, tw, tg] = [upload(x), upload(inputsFirst(w)), upload(g)];
      const grads = tf.grads((a, b) => tf.sum(tf.mul(tg, tf.square(tf.conv2d(a, b, 1, "same")))));
      const back = ([dx, dw]) => [dx, outputsFirst(dw, size)];
      return running([tx, tw, tg], () => grads([tx, tw]), back);
    },
    async matmul(_, { a, b }) {
      const [ta, tb] = [upload(a), upload(b)];
      return running([ta, tb], () => [tf.matMul(ta, tb)], (y) => y);
    },
    async attention(size, { q, k, v }) {
      const [tq, tk, tv] = [q, k, v].map((t) => upload(headsFirst(t, size)));
      const weights = () => tf.softmax(tf.mul(tf.matMul(tq, tk, false, true), size.ch ** -0.5));
      const call = () => [tf.tidy(() => tf.matMul(weights(), tv))];
      return running([tq, tk, tv], call, ([y]) => [headsInside(y, size)]);
    },
    async groupNormSilu({ N, H, W, C, groups }, { x, gamma, beta }) {
      const split = [groups, C / groups];
      const tx = tf.tensor(x.data, [N, H * W, ...split]);
      const [tg, tb] = [tf.tensor(gamma.data, split), tf.tensor(beta.data, split)];
      const call = () => {
        const { mean, variance } = tf.moments(tx, [1, 3], true);
        const z = tx.sub(mean).mul(tf.rsqrt(variance.add(1e-5))).mul(tg).add(tb);
        return [z.mul(tf.sigmoid(z))];
      };
      return running([tx, tg, tb], () => tf.tidy(call), (y) => y);
    },
    async fft2({ N, H, W }, { x }) {
      const part = (i) => tf.tensor(x.data.filter((_, at) => at % 2 === i), [N, H, W]);
      const [re, im] = [part(0), part(1)];
      // the parts of a transform come back with their leading axes folded into one
      const turned = (t) => tf.transpose(tf.reshape(t, [N, H, W]), [0, 2, 1]);
      const along = (a, b) => {
        const z = tf.fft(tf.complex(a, b));
        return [turned(tf.real(z)), turned(tf.imag(z))];
      };
      const back = ([a, b]) => {
        const out = new Float32Array(2 * a.length);
        for (let i = 0; i < a.length; i++) [out[2 * i], out[2 * i + 1]] = [a[i], b[i]];
        return [out];
      };
      return running([re, im], () => tf.tidy(() => along(...along(re, im))), back);
    },
  },
};
