// Pictures <-> `.aec` files, in the thread that calls: codec/api.py says the same in
// Python. index.js puts it into a worker where there are any.

import { Core, qualityIndex } from './core.js';
import { pack, unpack } from './container.js';
import { InputError, LimitError, ModelError, UnsupportedError } from './errors.js';
import { Model, IS_NODE, fetchBytes } from './model.js';
import { named } from './onnx.js';
import { alphaToPng, fillHidden, pngToAlpha, toPng, upright, uprightXmp } from './png.js';
import { colorSpaceOf } from './icc.js';

const [TILE, BAND] = [64, 32]; // cells, as codec/transform/tiles.py and pipeline.py
const MAX_PIXELS = 89478485;
const MEANS = ['mean0', 'mean1', 'mean2', 'mean3'];
const DECODER = ['features', ...MEANS, 'synthesis'];
const ENCODER = ['analysis', 'hyper_analysis', 'features', ...MEANS];

/** ONNX Runtime for WebAssembly: the module, and its memory of what it compiled. */
async function loadEngine({ engine, threads, device }) {
  const gpu = device === 'webgpu' && !!await globalThis.navigator?.gpu?.requestAdapter();
  const [bundle, binary] = gpu ? ['webgpu', '.asyncify'] : ['wasm', ''];
  const ort = await (IS_NODE ? import('onnxruntime-web/wasm')
    : import(/* webpackIgnore: true */ /* @vite-ignore */ `${engine}ort.${bundle}.bundle.min.mjs`));
  const { wasm } = ort.env;
  ort.env.logLevel = 'error';
  // Several threads need memory that is shared, which a page has to be isolated for.
  wasm.numThreads = threads
    ?? (globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1);
  if (IS_NODE) {
    const { createRequire } = await import('node:module');
    const { pathToFileURL } = await import('node:url');
    const found = createRequire(import.meta.url).resolve('onnxruntime-web/wasm');
    wasm.wasmBinary = await fetchBytes(new URL('ort-wasm-simd-threaded.wasm', pathToFileURL(found)));
    wasm.numThreads = 1; // its threads are a browser's workers
  } else {
    wasm.wasmPaths = { wasm: `${engine}ort-wasm-simd-threaded${binary}.wasm` };
  }
  return { ort, gpu };
}

/** A model with its core and its networks. */
class Ready {
  constructor(model, { ort, gpu }) {
    Object.assign(this, { model, ort, gpu, sessions: {} });
  }

  /** Unpack the tables, which the core and the gains need. */
  async open(wasm) {
    await this.model.unpack();
    this.core = await Core.load(await wasm, this.model.flat);
  }

  /** Make the sessions of some graphs. */
  async prepare(names) {
    const missing = names.filter((name) => !this.sessions[name]);
    const files = await Promise.all(missing.map((name) => this.model.file(`${name}.onnx`)));
    for (const [i, name] of missing.entries()) {
      const { bytes, names } = this.gpu && name === 'synthesis' ? named(files[i]) : { bytes: files[i] };
      this.sessions[name] = await this.ort.InferenceSession.create(bytes,
        { executionProviders: [names ? { name: 'webgpu', forceCpuNodeNames: names } : 'wasm'] })
        .catch((error) => { throw new ModelError(`model: graph ${name}: ${error.message}`); });
    }
  }

  /** The one output of a graph. Inputs are [array, ...shape]. */
  async run(name, inputs) {
    const feeds = {};
    for (const [input, [data, ...dims]] of Object.entries(inputs)) {
      feeds[input] = new this.ort.Tensor(data, dims);
    }
    try {
      return Object.values(await this.sessions[name].run(feeds))[0].data;
    } catch (error) {
      if (/memory|alloc/i.test(error.message)) {
        throw new LimitError('not enough memory for this picture');
      }
      throw new ModelError(`model: graph ${name} does not run: ${error.message}`);
    }
  }
}

/** Parts of n cells, or of [start, stop) of them, with their halos. */
function spans(n, halo, start = 0, stop = n) {
  const parts = Math.ceil((stop - start) / TILE), length = stop - start;
  return Array.from({ length: parts }, (_, i) => {
    const [lo, hi] = [i, i + 1].map((p) => start + Math.floor(length * p / parts));
    return { lo, hi, first: Math.max(0, lo - halo), last: Math.min(n, hi + halo) };
  });
}

/** Flat places of the cells of both parities. */
function parities(height, width) {
  const found = [[], []];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) found[(x + y) & 1].push(y * width + x);
  }
  return found;
}

/** The decoded latent of a slab, pass by pass: codec/transform/means.py. */
class Means {
  static async of(ready, z, { wz }, slab, gain) {
    const { nz, m } = ready.model, { top, left, height, width } = slab;
    const [y0, x0] = [top / 4, left / 4];
    const [h, w] = [Math.ceil(height / 4), Math.ceil(width / 4)];
    const part = new Float32Array(h * w * nz);
    for (let y = 0; y < h; y++) {
      const at = ((y0 + y) * wz + x0) * nz;
      part.set(z.subarray(at, at + w * nz), y * w * nz);
    }
    const all = await ready.run('features', { z: [part, 1, h, w, nz] });
    const n = all.length / (16 * h * w), seen = new Float32Array(height * width * n);
    for (let y = 0; y < height; y++) {
      seen.set(all.subarray(4 * y * w * n, (4 * y * w + width) * n), y * width * n);
    }
    const means = new Means();
    return Object.assign(means, { ready, slab, gain, m, features: [seen, 1, height, width, n],
      at: parities(height, width), latent: new Float32Array(height * width * m) });
  }

  async mean(pass) {
    const { features, m, latent, slab: { height, width } } = this;
    const at = BigInt64Array.from(this.at[pass & 1], BigInt);
    // No slab is without even cells, but one of a single cell has no odd one.
    if (!at.length) return new Float32Array(0);
    return this.ready.run(`mean${pass}`, { features, at: [at, at.length],
      ...(pass && { latent: [latent, 1, height, width, m] }) });
  }

  /** Dequantise: y_hat = symbol / gain + mean. */
  put(pass, first, n, symbolOf, mean) {
    const { latent, gain, m } = this, { k } = this.ready.model;
    const [group, channels] = pass < 2 ? [0, k] : [k, m - k];
    this.at[pass & 1].forEach((at, i) => {
      for (let c = first; c < first + n; c++) {
        latent[at * m + c] = Math.fround(symbolOf(i, at, c) / gain[c])
          + mean[i * channels + c - group];
      }
    });
  }

  /** The whole latent of a slab's symbols. */
  async all(symbols) {
    const { m } = this, { k } = this.ready.model;
    for (let pass = 0; pass < 4; pass++) {
      const mean = await this.mean(pass), [first, n] = pass < 2 ? [0, k] : [k, m - k];
      this.put(pass, first, n, (_, at, c) => symbols[at * m + c], mean);
    }
    return this.latent;
  }
}

/** Bytes of what holds a file: buffers, views, blobs, responses. */
export async function bytesOf(source) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) {
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  if (typeof Response !== 'undefined' && source instanceof Response && !source.ok) {
    throw new InputError(`${source.url}: HTTP ${source.status}`);
  }
  if (typeof source?.arrayBuffer === 'function') {
    return new Uint8Array(await source.arrayBuffer());
  }
  throw new InputError('a file is an ArrayBuffer, a view of one, a Blob or a Response');
}

function checkPixels(width, height, limit = MAX_PIXELS) {
  if (width * height > limit) {
    throw new LimitError(`${width}x${height} are ${width * height} pixels, over the limit of ` +
      `${limit}; raise it (maxPixels) if you trust the source`);
  }
}

function checkRegion(region, { width, height }) {
  const [top, left, h, w] = region;
  if (region.length !== 4 || !region.every(Number.isInteger) || Math.min(top, left) < 0
      || Math.min(h, w) < 1 || top + h > height || left + w > width) {
    throw new InputError(
      `region ${region} is not in a picture of ${height} rows and ${width} columns`);
  }
}

export class Codec {
  /**
   * @param {{models: string, core: string, engine: string, threads?: number,
   *   device?: 'wasm' | 'webgpu'}} options
   *   URLs of the folder of models, of core.wasm and of the folder of onnxruntime-web's
   *   files; with WebGPU, pixels are worked out there where a browser has it
   */
  constructor(options) {
    Object.assign(this, { options, models: new Map(), last: Promise.resolve() });
  }

  /** One after the other: the core and the engine have one memory each. */
  inTurn(job) {
    const mine = this.last.then(job);
    this.last = mine.catch(() => {});
    return mine;
  }

  /** A model, with the sessions of some graphs. */
  async ready(id, graphs = []) {
    if (!this.models.has(id)) {
      const made = this.load(id, graphs);
      this.models.set(id, made);
      made.catch(() => this.models.delete(id));
    }
    const ready = await this.models.get(id);
    await ready.prepare(graphs);
    return ready;
  }

  async load(id, graphs) {
    const { options } = this;
    this.engine ??= loadEngine(options);
    this.wasm ??= fetchBytes(options.core).then((bytes) => WebAssembly.compile(bytes));
    const model = await Model.load(id, options.models);
    const ready = new Ready(model, await this.engine);
    // Tables are unpacked while the engine, which the first session loads, is compiled.
    await Promise.all([ready.prepare(graphs), ready.open(this.wasm)]);
    return ready;
  }

  /** What models are there: {default, quality, models: {name: id}}. */
  async list() {
    const bytes = await fetchBytes(new URL('index.json', this.options.models));
    if (!bytes) throw new UnsupportedError(`there are no models in ${this.options.models}`);
    return JSON.parse(new TextDecoder().decode(bytes));
  }

  /** A model by name or id; the default. */
  async named(name, graphs) {
    const list = await this.list(), known = name ?? list.default;
    return this.ready(list.models[known] ?? known, graphs);
  }

  /** Make a model's sessions before they are needed. */
  prepare(name) {
    return this.inTurn(async () => { await this.named(name, [...DECODER, ...ENCODER]); });
  }

  /** Take a file apart, as far as one may that is to be shown. */
  async opened(bytes, { maxPixels, region } = {}, graphs = []) {
    const found = await unpack(bytes), { header, sections } = found;
    if (sections.STAK) throw new UnsupportedError('the file is a stack of pictures', 'STAK');
    if (region) checkRegion(region, header);
    const whole = !region || sections.ALPH;
    checkPixels(whole ? header.width : region[3], whole ? header.height : region[2], maxPixels);
    if (header.blend) {
      throw new UnsupportedError(`the file is for blend ${header.blend} of model ` +
        `${header.model}, which has one set of weights`, header.blend);
    }
    return { ...found, ready: await this.ready(header.model, graphs) };
  }

  /** z and s of a file, and the CRC of all of them; no network runs. */
  symbols(bytes, options) {
    return this.inTurn(async () => {
      const { header, payload, ready: { core } } = await this.opened(bytes, options);
      const wy = (header.width + 15) >> 4, hy = (header.height + 15) >> 4, { m } = core;
      const { z, slabs, read } = core.open(payload, header), s = new Int16Array(hy * wy * m);
      for (const slab of slabs) {
        const symbols = read(slab), row = slab.width * m;
        for (let y = 0; y < slab.height; y++) {
          s.set(symbols.subarray(y * row, (y + 1) * row),
            ((slab.top + y) * wy + slab.left) * m);
        }
      }
      return { z, s, crc: core.crc(core.crc(0, z), s) };
    });
  }

  /**
   * Decode a file.
   * @param {Uint8Array} bytes
   * @param {{maxPixels?: number, region?: number[], progress?: Function}} options
   * @returns {Promise<{width, height, data: Uint8ClampedArray, colorSpace: string}>}
   */
  decode(bytes, options = {}) {
    return this.inTurn(async () => {
      const { header, sections, rgb, alpha, width, height } = await this.samples(bytes, options);
      const grey = header.colour === 'grey', data = new Uint8ClampedArray(4 * width * height);
      for (let i = 0; i < width * height; i++) {
        data[4 * i] = grey ? rgb[i] : rgb[3 * i];
        data[4 * i + 1] = grey ? rgb[i] : rgb[3 * i + 1];
        data[4 * i + 2] = grey ? rgb[i] : rgb[3 * i + 2];
        data[4 * i + 3] = alpha ? alpha[i] : 255;
      }
      return { width, height, data, colorSpace: colorSpaceOf(sections.ICCP) };
    });
  }

  /** A PNG file of a file's picture, with its profile and Exif: browsers show all of it. */
  toPng(bytes, options = {}) {
    return this.inTurn(async () => {
      const { sections, rgb, alpha, width, height } = await this.samples(bytes, options);
      return toPng({ width, height, samples: rgb, alpha, icc: sections.ICCP,
        exif: upright(sections.exif), xmp: sections.xmp0 && uprightXmp(sections.xmp0) });
    });
  }

  /** Samples, one of each pixel of a grey picture and three of others. */
  async samples(bytes, { maxPixels, region, progress } = {}) {
    const { header, sections, payload, ready } =
      await this.opened(bytes, { maxPixels, region }, DECODER);
    const [top, left, height, width] = region ?? [0, 0, header.height, header.width];
    const rgb = await this.pixels(ready, header, payload, [top, left, height, width], progress);
    let alpha = sections.ALPH && await pngToAlpha(sections.ALPH, header.width, header.height);
    if (alpha && region) {
      const whole = alpha;
      alpha = new Uint8Array(width * height);
      for (let y = 0; y < height; y++) {
        const at = (top + y) * header.width + left;
        alpha.set(whole.subarray(at, at + width), y * width);
      }
    }
    let samples = rgb;
    if (header.colour === 'grey') {
      samples = new Uint8Array(width * height);
      for (let i = 0; i < samples.length; i++) {
        samples[i] = Math.floor((rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2] + 1) / 3);
      }
    }
    return { header, sections, rgb: samples, alpha, width, height };
  }

  /** Pixels of a region, RGB: slabs that show nothing of it are not read. */
  async pixels(ready, header, payload, [top, left, height, width], progress) {
    const { model, core } = ready, halo = model.halo.synthesis;
    const hy = (header.height + 15) >> 4, wy = (header.width + 15) >> 4;
    const [hz, wz] = [(hy + 3) >> 2, (wy + 3) >> 2], gain = model.gain(header.quality);
    const cells = (first, size) => [first >> 4, (first + size + 15) >> 4];
    const [rows, columns] = [cells(top, height), cells(left, width)];
    const { z, slabs, read } = core.open(payload, header);
    const coming = slabs.filter((p) => p.top < rows[1] + halo && p.top + p.height > rows[0] - halo
      && p.left < columns[1] + halo && p.left + p.width > columns[0] - halo);
    const modulation = model.atQuality('synthesis_mod', header.quality);
    const down = spans(hy, halo, ...rows), across = spans(wy, halo, ...columns);
    const out = new Uint8Array(3 * width * height);
    const total = coming.length + down.length * across.length;
    let kept = [], done = 0;
    for (const a of down) {
      // Slabs come row by row; those above the tiles are needed no longer.
      kept = kept.filter(([p]) => p.top + p.height > a.first);
      while (coming.length && coming[0].top < a.last) {
        const slab = coming.shift(), means = await Means.of(ready, z, { hz, wz }, slab, gain);
        kept.push([slab, await means.all(read(slab).slice())]);
        progress?.(++done / total);
      }
      for (const b of across) {
        const [h, w] = [a.last - a.first, b.last - b.first];
        const latent = cut(kept, a, b, model.m);
        const px = await ready.run('synthesis',
          { latent: [latent, 1, h, w, model.m], modulation: [modulation, modulation.length] });
        const [y0, y1] = [Math.max(16 * a.lo, top), Math.min(16 * a.hi, top + height)];
        const [x0, x1] = [Math.max(16 * b.lo, left), Math.min(16 * b.hi, left + width)];
        for (let y = y0; y < y1; y++) {
          const at = 3 * ((y - 16 * a.first) * 16 * w + x0 - 16 * b.first);
          out.set(px.subarray(at, at + 3 * (x1 - x0)), 3 * ((y - top) * width + x0 - left));
        }
        progress?.(++done / total);
      }
    }
    return out;
  }

  /**
   * Encode a picture, as effort 1 of the command does.
   * @param {{width: number, height: number, data: Uint8ClampedArray}} image RGBA
   * @param {{quality?: number, model?: string, icc?: Uint8Array, exif?: Uint8Array,
   *   xmp?: Uint8Array, maxPixels?: number, progress?: Function}} options
   * @returns {Promise<Uint8Array>} a whole file
   */
  encode({ width, height, data }, options = {}) {
    return this.inTurn(async () => {
      const { icc, exif, xmp, maxPixels, progress } = options;
      const wanted = options.quality ?? (await this.list()).quality;
      const quality = Math.round(wanted * 100) / 100;
      if (!(quality >= 1 && quality <= 100)) {
        throw new InputError(`quality ${wanted} is not in 1..100`);
      }
      if (!(width > 0 && height > 0 && Math.max(width, height) <= 16384)
          || data.length !== 4 * width * height) {
        throw new InputError(`a picture of ${width}x${height} with ${data.length} samples`);
      }
      checkPixels(width, height, maxPixels);
      const ready = await this.named(options.model, ENCODER);
      const rgb = new Uint8Array(3 * width * height), alpha = new Uint8Array(width * height);
      for (let i = 0; i < alpha.length; i++) {
        [rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
        alpha[i] = data[4 * i + 3];
      }
      const sections = {};
      if (alpha.some((a) => a < 255)) {
        fillHidden(rgb, alpha, width, height);
        sections.ALPH = await alphaToPng(alpha, width, height);
      }
      if (icc?.length) sections.ICCP = icc;
      if (upright(exif)) sections.exif = upright(exif);
      if (xmp?.length) sections.xmp0 = uprightXmp(xmp);
      const header = { width, height, quality, colour: 'rgb', model: ready.model.id };
      const { payload, crc } = await this.payload(ready, header, rgb, progress);
      return pack({ ...header, symbolCrc: crc }, payload, sections);
    });
  }

  async payload(ready, header, rgb, progress) {
    const { model, core } = ready, { quality } = header, { m, k } = model;
    const hy = (header.height + 15) >> 4, wy = (header.width + 15) >> 4;
    const [hz, wz] = [(hy + 3) >> 2, (wy + 3) >> 2];
    const y = await analyse(ready, header, rgb, hy, wy, (p) => progress?.(0.6 * p));
    const gain = model.gain(quality), qi = qualityIndex(quality);
    const z = await hyper(ready, y, gain, qi, hy, wy);
    const zone = Float32Array.from({ length: 64 }, (_, scale) => 0.5
      + 0.06 * Math.min(1, Math.max(0, 1 - (scale - model.tables.skip[qi]) / 8)));
    const { slabs, write } = core.create(header, z), coded = [];
    for (const slab of slabs) {
      const means = await Means.of(ready, z, { hz, wz }, slab, gain);
      let mean;
      const choose = async ({ pass, first, n }, scales) => {
        // Copied: the core's memory may grow while the network runs.
        const scaled = scales.slice(), group = pass < 2 ? 0 : k, channels = pass < 2 ? k : m - k;
        if (first === group) mean = await means.mean(pass);
        const symbols = new Int16Array(scaled.length);
        means.at[pass & 1].forEach((at, i) => {
          const cell = (slab.top + Math.floor(at / slab.width)) * wy + slab.left + at % slab.width;
          for (let c = 0; c < n; c++) {
            const g = gain[first + c], scale = scaled[i * n + c];
            if (scale < model.tables.skip[qi]) continue;
            const v = Math.fround(Math.fround(y[cell * m + first + c] * g)
              - Math.fround(mean[i * channels + first - group + c] * g));
            const s = Math.abs(v) >= zone[scale] ? rint(v) : 0;
            symbols[i * n + c] = Math.min(32767, Math.max(-32767, s));
          }
        });
        means.put(pass, first, n, (i, _, c) => symbols[i * n + c - first], mean);
        return symbols;
      };
      coded.push(await write(slab, choose));
      progress?.(0.6 + 0.4 * coded.length / slabs.length);
    }
    return joined(coded);
  }
}

/** Half to even, as the network's rounding and numpy's. */
function rint(v) {
  const r = Math.round(v);
  return r - v === 0.5 && r % 2 ? r - 1 : r;
}

/** Payload of the streams of all slabs. */
function joined(coded) {
  const index = 8 * (coded.length - 1);
  const payload = new Uint8Array(coded.reduce((n, c) => n + c.stream.length, index));
  const view = new DataView(payload.buffer);
  let at = index;
  coded.forEach(({ stream, crc }, i) => {
    if (i) {
      view.setUint32(8 * (i - 1), stream.length, true);
      view.setUint32(8 * (i - 1) + 4, crc, true);
    }
    payload.set(stream, at);
    at += stream.length;
  });
  return { payload, crc: coded[0].crc };
}

/** Cells of a tile, out of those of slabs. */
function cut(kept, rows, columns, m) {
  const width = columns.last - columns.first;
  const out = new Float32Array((rows.last - rows.first) * width * m);
  for (const [slab, latent] of kept) {
    const [x0, x1] = [Math.max(columns.first, slab.left),
      Math.min(columns.last, slab.left + slab.width)];
    const [y0, y1] = [Math.max(rows.first, slab.top), Math.min(rows.last, slab.top + slab.height)];
    for (let y = y0; y < y1 && x0 < x1; y++) {
      const at = ((y - slab.top) * slab.width + x0 - slab.left) * m;
      out.set(latent.subarray(at, at + (x1 - x0) * m),
        ((y - rows.first) * width + x0 - columns.first) * m);
    }
  }
  return out;
}

/** Latent plane of a picture, tile by tile; at its border the last samples repeat. */
async function analyse(ready, { width, height, quality }, rgb, hy, wy, progress) {
  const { model } = ready, { m } = model, halo = model.halo.analysis;
  const modulation = model.atQuality('analysis_mod', quality);
  const out = new Float32Array(hy * wy * m), [down, across] = [spans(hy, halo), spans(wy, halo)];
  let done = 0;
  for (const a of down) {
    for (const b of across) {
      const [h, w] = [16 * (a.last - a.first), 16 * (b.last - b.first)];
      const pixels = new Uint8Array(3 * h * w);
      for (let y = 0; y < h; y++) {
        const from = 3 * width * Math.min(height - 1, 16 * a.first + y);
        for (let x = 0; x < w; x++) {
          const at = from + 3 * Math.min(width - 1, 16 * b.first + x), to = 3 * (y * w + x);
          [pixels[to], pixels[to + 1], pixels[to + 2]] = [rgb[at], rgb[at + 1], rgb[at + 2]];
        }
      }
      const latent = await ready.run('analysis',
        { pixels: [pixels, 1, h, w, 3], modulation: [modulation, modulation.length] });
      for (let y = a.lo; y < a.hi; y++) {
        const at = ((y - a.first) * w / 16 + b.lo - b.first) * m;
        out.set(latent.subarray(at, at + (b.hi - b.lo) * m), (y * wy + b.lo) * m);
      }
      progress?.(++done / (down.length * across.length));
    }
  }
  if (!out.every(Number.isFinite)) throw new ModelError('model: the analysis is not finite');
  return out;
}

/** z symbols of a latent plane: rounded, the dearer one a little later. */
async function hyper(ready, y, gain, qi, hy, wy) {
  const { model: { m, nz, tables } } = ready, wz = (wy + 3) >> 2;
  const zMax = (tables.z_freq.shape[2] - 1) / 2, n = 2 * zMax + 1;
  const freq = tables.z_freq.subarray(tables.z_band[qi] * nz * n);
  const out = new Int16Array(((hy + 3) >> 2) * wz * nz);
  for (let lo = 0; lo < hy; lo += BAND) {
    const rows = Math.min(BAND, hy - lo), h = (rows + 3) & ~3, w = (wy + 3) & ~3;
    const scaled = new Float32Array(h * w * m);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < wy * m; j++) {
        scaled[i * w * m + j] = y[(lo + i) * wy * m + j] * gain[j % m];
      }
    }
    const z = await ready.run('hyper_analysis', { scaled: [scaled, 1, h, w, m] });
    for (let i = 0; i < z.length; i++) {
      const v = Number.isNaN(z[i]) ? 0 : z[i], f = (i % nz) * n;
      const low = Math.min(zMax - 1, Math.max(-zMax, Math.floor(v)));
      const more = Math.log2(freq[f + low + zMax] / freq[f + low + zMax + 1]);
      out[lo / 4 * wz * nz + i] = low + (v - low > 0.5 + more / 512 ? 1 : 0);
    }
  }
  return out;
}
