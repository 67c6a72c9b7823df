// Runs ONNX graphs in onnxruntime-web's WebAssembly for wasm.py.
//
// A message is a 4-byte little-endian length, that many bytes of JSON, then
// the tensors' bytes. In: {graph, path, inputs: [{name, type, dims, bytes}]}.
// Out: {outputs: [{type, dims, bytes}]} or {error}.

import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.cwd() + '/');
const ort = await import(pathToFileURL(require.resolve('onnxruntime-web')));
const { InferenceSession, Tensor, env } = ort.default ?? ort;
env.wasm.numThreads = 1;
env.logLevel = 'error';

const ARRAYS = {
  float32: Float32Array, uint8: Uint8Array, int64: BigInt64Array };
const sessions = new Map();

function take(n) {
  const out = Buffer.alloc(n);
  for (let at = 0; at < n;) {
    const got = fs.readSync(0, out, at, n - at, null);
    if (got === 0) process.exit(0);
    at += got;
  }
  return out;
}

function give(head, parts) {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  for (const part of [length, text, ...parts]) {
    for (let at = 0; at < part.length;) {
      at += fs.writeSync(1, part, at);
    }
  }
}

async function run({ graph, path, inputs }) {
  if (!sessions.has(graph)) {
    sessions.set(graph, await InferenceSession.create(
      new Uint8Array(fs.readFileSync(path)), { executionProviders: ['wasm'] }));
  }
  const session = sessions.get(graph);
  const feeds = {};
  for (const { name, type, dims, bytes } of inputs) {
    const data = take(bytes);
    const copy = data.buffer.slice(data.byteOffset, data.byteOffset + bytes);
    feeds[name] = new Tensor(type, new ARRAYS[type](copy), dims);
  }
  const results = await session.run(feeds);
  const outputs = [], parts = [];
  for (const name of session.outputNames) {
    const { data, dims, type } = results[name];
    parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    outputs.push({ type, dims, bytes: data.byteLength });
  }
  give({ outputs }, parts);
}

give({ ready: env.versions.web }, []);
for (;;) {
  const request = JSON.parse(take(take(4).readUInt32LE()));
  try {
    await run(request);
  } catch (error) {
    give({ error: String(error) }, []);
    process.exit(1);
  }
}
