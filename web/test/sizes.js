// Bytes that pages fetch, as they are and packed by brotli: the tables of docs/web.md.
//
//     web/build.sh && node web/test/sizes.js
import { readFileSync, readdirSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url);
const ENCODER = ['analysis.onnx', 'hyper_analysis.onnx'];

// Level 9, as servers do it: 11 takes minutes for the engine.
const packed = (bytes) => brotliCompressSync(bytes,
  { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });

function row(name, files) {
  const all = files.map((file) => readFileSync(new URL(file, dist)));
  const sum = (list) => (list.reduce((n, b) => n + b.length, 0) / 1e6).toFixed(2);
  console.log(`| ${name} | ${sum(all)} | ${sum(all.map(packed))} |`);
}

console.log('| | MB | MB, brotli |\n|---|---:|---:|');
row('the package', readdirSync(new URL('../', import.meta.url)).filter((n) => n.endsWith('.js')));
const page = ['app.css', 'app.js', 'backend.js', 'icon.svg', 'index.html', 'judge.js', 'metadata.js',
  'score.js', 'viewer.js', 'zip.js'];
row('the page', page);
row('the AVIF encoder of the page', ['avif/avif_enc.js', 'avif/avif_enc.wasm']);
row('the C core', ['core.wasm']);
row('the engine', ['engine/ort.wasm.bundle.min.mjs', 'engine/ort-wasm-simd-threaded.wasm']);
const { models } = JSON.parse(readFileSync(new URL('models/index.json', dist)));
for (const [name, id] of Object.entries(models)) {
  const files = readdirSync(new URL(`models/${id}/`, dist));
  const of = (some) => some.map((file) => `models/${id}/${file}`);
  row(`model ${name}, for decoding`, of(files.filter((n) => !ENCODER.includes(n))));
  row(`model ${name}, for encoding as well`, of(files.filter((n) => ENCODER.includes(n))));
}
