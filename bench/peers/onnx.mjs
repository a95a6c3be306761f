// Just enough of ONNX's protobuf to write a graph of a few nodes (onnx.proto3: field numbers in the calls).
const utf8 = new TextEncoder();

function bytes(...parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function varint(value) {
  const out = [];
  let rest = value;
  do {
    out.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from(out);
}

const int = (field, value) => bytes(varint(field * 8), varint(value));
const real = (field, value) => bytes(varint(field * 8 + 5), new Uint8Array(Float32Array.of(value).buffer));
const part = (field, value) => {
  const body = typeof value === "string" ? utf8.encode(value) : value;
  return bytes(varint(field * 8 + 2), varint(body.length), body);
};

const FLOAT = 1;
const shapeOf = (shape) => part(2, bytes(...shape.map((n) => part(1, int(1, n)))));
const value = (name, shape) => bytes(part(1, name), part(2, part(1, bytes(int(1, FLOAT), shapeOf(shape)))));
const constant = (name, { shape, data }) =>
  bytes(
    ...shape.map((n) => int(1, n)),
    int(2, FLOAT),
    part(8, name),
    part(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );

/** A whole number, a list of them, or { float }. */
function attribute(name, v) {
  const typed = Array.isArray(v)
    ? bytes(...v.map((n) => int(8, n)), int(20, 7))
    : typeof v === "object"
      ? bytes(real(2, v.float), int(20, 1))
      : bytes(int(3, v), int(20, 2));
  return part(5, bytes(part(1, name), typed));
}

const node = ({ op, from, to, domain, ...attributes }) =>
  bytes(
    ...from.map((name) => part(1, name)),
    part(2, to),
    part(3, to),
    part(4, op),
    ...Object.entries(attributes).map(([name, v]) => attribute(name, v)),
    ...(domain ? [part(7, domain)] : []),
  );

/** A model: nodes in order, inputs and outputs by shape, constants with their data. */
export function model({ nodes, inputs, outputs, constants = {} }) {
  const graph = bytes(
    ...nodes.map((n) => part(1, node(n))),
    part(2, "bench"),
    ...Object.entries(constants).map(([name, c]) => part(5, constant(name, c))),
    ...Object.entries(inputs).map(([name, shape]) => part(11, value(name, shape))),
    ...Object.entries(outputs).map(([name, shape]) => part(12, value(name, shape))),
  );
  const opset = (domain, version) => part(8, bytes(part(1, domain), int(2, version)));
  return bytes(int(1, 9), part(7, graph), opset("", 21), opset("com.microsoft", 1));
}
