// Names for nodes of a graph in ONNX, whose bytes are protocol buffers.
//
// The engine's WebGPU (1.30) takes a convolution of 1 x 1 for a product of matrices, also
// where it has padding at the right and the bottom. Such a node is left to the CPU, by its
// name; ours have none.

/** Fields of a message; a value is a number, or bytes, or is left out. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0, factor = 1;
    for (; bytes[at] & 128; factor *= 128) value += (bytes[at++] & 127) * factor;
    return value + bytes[at++] * factor;
  };
  while (at < bytes.length) {
    const start = at, key = varint(), tag = Math.floor(key / 8), kind = key % 8;
    let value;
    if (kind === 0) value = varint();
    else if (kind === 2) {
      const size = varint();
      value = bytes.subarray(at, at += size);
    } else at += kind === 1 ? 8 : 4;
    yield { tag, value, whole: bytes.subarray(start, at) };
  }
}

const only = (bytes, tag) => [...fields(bytes)].filter((field) => field.tag === tag);
const text = (bytes) => new TextDecoder().decode(bytes);

function joined(parts) {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** A field of bytes. */
function message(tag, bytes) {
  const size = [];
  for (let n = bytes.length; ; n >>>= 7) {
    size.push(n > 127 ? (n & 127) | 128 : n);
    if (n < 128) return joined([[8 * tag + 2, ...size], bytes]);
  }
}

/** Whether a node is a convolution of 1 x 1 with padding. */
function isPadded(node) {
  if (text(only(node, 4)[0].value) !== 'Conv') return false;
  const given = Object.fromEntries(only(node, 5).map(({ value: attribute }) => [
    text(only(attribute, 1)[0].value),
    only(attribute, 8).flatMap(({ value }) => (typeof value === 'number' ? value : [...value]))]));
  return given.kernel_shape.every((n) => n === 1) && !!given.pads?.some((n) => n);
}

/**
 * The same graph, in which those convolutions have names.
 * @param {Uint8Array} model
 * @returns {{bytes: Uint8Array, names: string[]}}
 */
export function named(model) {
  const names = [];
  const node = ({ tag, value, whole }) => {
    if (tag !== 1 || !isPadded(value)) return whole;
    names.push(`padded${names.length}`);
    return message(1, joined([value, message(3, new TextEncoder().encode(names.at(-1)))]));
  };
  const graph = ({ tag, value, whole }) => (tag === 7
    ? message(7, joined([...fields(value)].map(node))) : whole);
  return { bytes: joined([...fields(model)].map(graph)), names };
}
