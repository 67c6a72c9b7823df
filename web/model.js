// A model's folder, as `codec/models/NAME` has it: nothing is converted for the web.
//
// A file names its model by the first 8 bytes of the SHA-256 of `model.json`, which has
// the SHA-256 of every other file. So each is checked, wherever it comes from, and only
// those are fetched that are needed: decoders take no graphs of the encoder.

import { ModelError, UnsupportedError } from './errors.js';
import { viewOf } from './container.js';

const CACHE = 'aecompress-models';
export const IS_NODE = typeof process !== 'undefined' && !!process.versions?.node;

/** Bytes of a URL, which in Node may be a file; null if it is not there. */
export async function fetchBytes(url) {
  if (IS_NODE && String(url).startsWith('file:')) {
    const { readFile } = await import('node:fs/promises');
    try {
      return new Uint8Array(await readFile(new URL(url)));
    } catch (error) {
      if (error.code === 'ENOENT') return null;
      throw error;
    }
  }
  const response = await fetch(url);
  if (response.status === 404) return null;
  if (!response.ok) throw new ModelError(`${url}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new ModelError('models are checked by crypto.subtle, which needs HTTPS or localhost');
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...digest].map((b) => b.toString(16).padStart(2, '0')).join('');
}

/** Bytes whose SHA-256 begins so: from the browser's cache, or fetched and kept. */
async function checked(url, wanted) {
  const cache = await globalThis.caches?.open(CACHE).catch(() => null);
  const kept = await cache?.match(url);
  if (kept) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if ((await sha256(bytes)).startsWith(wanted)) return bytes;
    await cache.delete(url);
  }
  const bytes = await fetchBytes(url);
  if (!bytes) return null;
  if (!(await sha256(bytes)).startsWith(wanted)) {
    throw new ModelError(`${url}: altered (its sha256 is not the one that is asked for)`);
  }
  await cache?.put(url, new Response(bytes)).catch(() => {}); // a full disk is no error
  return bytes;
}

async function inflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const ARRAYS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array,
  u4: Uint32Array, i4: Int32Array, f4: Float32Array };

/** An array of NumPy's format. */
function npy(bytes) {
  const view = viewOf(bytes), version = bytes[6];
  const size = version > 1 ? view.getUint32(8, true) : view.getUint16(8, true);
  const start = (version > 1 ? 12 : 10) + size;
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, start));
  const Kind = ARRAYS[/'descr': '[<|]([a-z]\d)'/.exec(head)?.[1]];
  if (!Kind || !head.includes("'fortran_order': False")) {
    throw new ModelError('tables.npz: an array of another kind');
  }
  const shape = (/'shape': \(([^)]*)\)/.exec(head)[1].match(/\d+/g) ?? []).map(Number);
  const n = shape.reduce((a, b) => a * b, 1);
  if (start + n * Kind.BYTES_PER_ELEMENT !== bytes.length) {
    throw new ModelError('tables.npz: an array is cut short');
  }
  return Object.assign(new Kind(bytes.slice(start).buffer), { shape });
}

/** Arrays of a ZIP file of them, by name. */
export async function npz(bytes) {
  const view = viewOf(bytes), found = [];
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw new ModelError('tables.npz is no ZIP file');
  let at = view.getUint32(end + 16, true);
  for (let i = view.getUint16(end + 10, true); i; i--) {
    const method = view.getUint16(at + 10, true), size = view.getUint32(at + 20, true);
    const [name, extra, comment] = [28, 30, 32].map((n) => view.getUint16(at + n, true));
    const local = view.getUint32(at + 42, true);
    const title = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name));
    const start = local + 30 + view.getUint16(local + 26, true) +
      view.getUint16(local + 28, true);
    const data = bytes.subarray(start, start + size);
    found.push(Promise.resolve(method ? inflated(data) : data)
      .then((array) => [title.replace(/\.npy$/, ''), npy(array)]));
    at += 46 + name + extra + comment;
  }
  return Object.fromEntries(await Promise.all(found));
}

const ORDER = ('z_band z_freq z_min row_max row_freq skip level w1 b1 w2 b2 bias c1 c2 c3')
  .split(' ');

/** Tables of a model as the core takes them (core/aec.h). */
function flat(tables, constants) {
  const n = tables.parts?.length ?? 0, c = constants;
  const names = n ? [...ORDER, 'parts', 'expected', ...Array.from({ length: n }, (_, i) => `d${i}`)]
    : ORDER;
  const missing = names.find((name) => !tables[name]);
  if (missing) throw new ModelError(`model: table ${missing} is missing`);
  const head = Int32Array.of(0x54434541, c.NZ, c.M, c.K, c.HYPER, c.Z_MAX, c.ROW_SKIP,
    tables.z_freq.shape[0], tables.row_freq.shape[1], n, 0, 0, 0, 0, 0, 0);
  const parts = [head, ...names.map((name) => tables[name])];
  const padded = (a) => (a.byteLength + 7) & ~7;
  const out = new Uint8Array(parts.reduce((size, a) => size + padded(a), 0));
  let at = 0;
  for (const a of parts) {
    out.set(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), at);
    at += padded(a);
  }
  return out;
}

/** One model; its tables and graphs are fetched when they are asked for. */
export class Model {
  /**
   * @param {string} id 16 hexadecimal digits
   * @param {string} folder URL that holds `ID/model.json`
   */
  static async load(id, folder) {
    const url = new URL(`${id}/`, folder).href;
    const text = await checked(`${url}model.json`, id);
    if (!text) {
      throw new UnsupportedError(
        `the file needs model ${id}, which is not in ${folder}; put its folder there`, id);
    }
    return new Model(id, url, JSON.parse(new TextDecoder().decode(text)));
  }

  constructor(id, url, manifest) {
    const { halo, constants: { NZ, M, K } } = manifest;
    Object.assign(this, { id, url, manifest, halo, nz: NZ, m: M, k: K });
  }

  /** Get its tables: `tables` by name, `flat` as the core takes them. */
  async unpack() {
    const { manifest: { constants } } = this;
    this.tables = await npz(await this.file('tables.npz'));
    this.tables.skip ??= new Uint8Array(100).fill(constants.ROW_SKIP);
    this.flat = flat(this.tables, constants);
  }

  /** Bytes of one of its files. */
  async file(name) {
    const wanted = this.manifest.files[name];
    const bytes = wanted && await checked(this.url + name, wanted);
    if (!bytes) throw new ModelError(`${this.url}${name} is not there`);
    return bytes;
  }

  /** A table of knots (n, c) interpolated at a quality 1..100. */
  atQuality(name, quality) {
    const t = this.tables[name], [rows, n] = t.shape;
    const p = (quality - 1) / 99 * (rows - 1), i = Math.min(Math.floor(p), rows - 2);
    const f = Math.fround(p - i);
    return Float32Array.from({ length: n },
      (_, c) => Math.fround(t[i * n + c] * Math.fround(1 - f)) + Math.fround(t[(i + 1) * n + c] * f));
  }

  /** 1 / quantisation step of each channel. */
  gain(quality) { return this.atQuality('log_gain', quality).map(Math.exp); }
}
