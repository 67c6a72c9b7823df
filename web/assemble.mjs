#!/usr/bin/env node
// Puts all that a site needs into one folder: this package, the engine and models.
//
//     npx aecompress-web [--webgpu] OUT MODEL_FOLDER...
//
// --webgpu adds the engine for `configure({ device: 'webgpu' })`, of 27 MB.
// OUT then is served as it is: it is the page, and `import { decode } from './OUT/index.js'`
// works. A MODEL_FOLDER is one as the Python package has it (codec/models/look); the
// first one is the default for encoding, and QUALITY in the environment the quality (50).

import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What neither a decoder nor this encoder runs.
const LEFT_OUT = /^(exact_.*|.*_gradient)\.onnx$/;
const webgpu = process.argv[2] === '--webgpu', [out, ...models] = process.argv.slice(webgpu ? 3 : 2);
if (!models.length) {
  console.error('usage: aecompress-web [--webgpu] OUT MODEL_FOLDER...');
  process.exit(1);
}
const here = dirname(fileURLToPath(import.meta.url));
const { resolve } = createRequire(import.meta.url);
const engine = dirname(resolve('onnxruntime-web/wasm'));
const avif = dirname(resolve('@jsquash/avif'));

mkdirSync(out, { recursive: true });
for (const name of readdirSync(here)) {
  if (/\.js$|^core\.wasm$/.test(name)) cpSync(join(here, name), join(out, name));
}
// The page lies beside the package, as a service worker serves what lies below it.
for (const name of readdirSync(join(here, 'app')).filter((n) => n !== 'local.js')) {
  const text = readFileSync(join(here, 'app', name), 'utf8');
  writeFileSync(join(out, name), text.replaceAll("from '../", "from './"));
}
for (const name of ['ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm',
  ...(webgpu ? ['ort.webgpu.bundle.min.mjs', 'ort-wasm-simd-threaded.asyncify.wasm'] : [])]) {
  cpSync(join(engine, name), join(out, 'engine', name));
}
// The page alone needs this: it compares with AVIF, and loads it when it is asked to.
for (const name of ['codec/enc/avif_enc.js', 'codec/enc/avif_enc.wasm', 'LICENSE']) {
  cpSync(join(avif, name), join(out, 'avif', basename(name)));
}
const index = { default: basename(models[0]), quality: Number(process.env.QUALITY ?? 50), models: {} };
for (const folder of models) {
  const manifest = readFileSync(join(folder, 'model.json'));
  const id = createHash('sha256').update(manifest).digest('hex').slice(0, 16);
  const files = Object.keys(JSON.parse(manifest).files).filter((n) => !LEFT_OUT.test(n));
  for (const file of ['model.json', ...files]) {
    cpSync(join(folder, file), join(out, 'models', id, file));
  }
  index.models[basename(folder)] = id;
}
writeFileSync(join(out, 'models', 'index.json'), `${JSON.stringify(index, null, 1)}\n`);

// What the service worker keeps; model.js keeps the models.
const page = ['engine/ort.wasm.bundle.min.mjs', 'engine/ort-wasm-simd-threaded.wasm',
  'avif/avif_enc.js', 'avif/avif_enc.wasm', 'models/index.json', ...readdirSync(out).filter((name) => /\.\w+$/.test(name) && name !== 'sw.js')];
const version = createHash('sha256');
for (const name of page) version.update(readFileSync(join(out, name)));
const worker = join(out, 'sw.js');
writeFileSync(worker, readFileSync(worker, 'utf8')
  .replace("VERSION = ''", `VERSION = 'aecompress-page-${version.digest('hex').slice(0, 16)}'`)
  .replace('FILES = []', `FILES = ${JSON.stringify(['./', ...page])}`));
