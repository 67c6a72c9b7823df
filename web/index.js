// aecompress: `.aec` pictures in browsers and Node. index.d.ts says what there is.
//
//     import { decode } from './aecompress/index.js';
//     context.putImageData(await decode(await fetch('photo.aec')), 0, 0);
//
// Work is done in a worker where there are any, else in the thread that calls.

import { caller } from './calls.js';
import { bytesOf, Codec } from './codec.js';
import { InputError } from './errors.js';
import { readHeader } from './container.js';

export * from './errors.js';

const here = (path) => new URL(path, import.meta.url).href;
let options = { models: here('models/'), core: here('core.wasm'), engine: here('engine/') };
let started; // what answers calls

/** Say where things are, before the first call. */
export function configure(changes) {
  if (started) throw new InputError('configure comes before the first call');
  const base = globalThis.document?.baseURI ?? import.meta.url;
  const urls = ['models', 'core', 'engine'].filter((name) => changes[name])
    .map((name) => [name, new URL(changes[name], base).href]);
  options = { ...options, ...changes, ...Object.fromEntries(urls) };
}

function start() {
  if (started) return started;
  if (typeof Worker !== 'function' || typeof document === 'undefined') {
    const codec = new Codec(options);
    started = (call, ...args) => codec[call](...args);
    return started;
  }
  started = caller(new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }));
  started('configure', options);
  return started;
}

function imageData({ data, width, height, colorSpace }) {
  return typeof ImageData === 'function' ? new ImageData(data, width, height, { colorSpace })
    : { data, width, height, colorSpace };
}

export async function decode(source, more = {}) {
  return imageData(await start()('decode', await bytesOf(source), more));
}

export function decodeRegion(source, region, more = {}) {
  return decode(source, { ...more, region });
}

export async function info(source) { return readHeader(await bytesOf(source)); }

export async function symbols(source, more = {}) {
  return start()('symbols', await bytesOf(source), more);
}

export async function toPng(source, more = {}) {
  return new Blob([await start()('toPng', await bytesOf(source), more)], { type: 'image/png' });
}

export async function encode({ width, height, data }, more = {}) {
  return (await start()('encode', { width, height, data }, more)).buffer;
}

export function prepare(more = {}) { return start()('prepare', more.model, more); }

export function models() { return start()('list'); }

async function showOne(image) {
  try {
    const response = await fetch(image.dataset.aec);
    const url = URL.createObjectURL(await toPng(response));
    image.addEventListener('load', () => URL.revokeObjectURL(url), { once: true });
    image.src = url;
    await image.decode();
  } catch (error) {
    image.title = error.message;
    image.dispatchEvent(new ErrorEvent('error', { error, message: error.message }));
  }
}

export function showImages(root = document) {
  return Promise.all([...root.querySelectorAll('img[data-aec]')].map(showOne));
}
