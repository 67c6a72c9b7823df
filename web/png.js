// PNG: alpha planes as `.aec` files hold them, and whole pictures to show.

import { ascii, crc32, inflated, viewOf } from './container.js';
import { FormatError } from './errors.js';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const ADAM7 = [[0, 0, 8, 8], [0, 4, 8, 8], [4, 0, 8, 4], [0, 2, 4, 4], [2, 0, 4, 2],
  [0, 1, 2, 2], [1, 0, 2, 1]]; // first row and column, steps

async function through(stream, bytes) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream))
    .arrayBuffer());
}

function paeth(a, b, c) {
  const [p, q, r] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return p <= q && p <= r ? a : q <= r ? b : c;
}

/** Samples of the rows of one pass, in place, from `at` on; returns where they end. */
function unfilter(raw, at, height, row, bpp) {
  for (let y = 0; y < height; y++, at += row + 1) {
    const kind = raw[at], up = at - row - 1;
    if (kind > 4) throw new Error(`filter ${kind}`);
    for (let x = 1; x <= row; x++) {
      const a = x > bpp ? raw[at + x - bpp] : 0, b = y ? raw[up + x] : 0;
      const c = y && x > bpp ? raw[up + x - bpp] : 0;
      raw[at + x] += [0, a, b, (a + b) >> 1, kind === 4 ? paeth(a, b, c) : 0][kind];
    }
  }
  return at;
}

/**
 * Samples of a PNG file of 8 bits without a palette. Only IHDR and IDAT are looked at.
 * @param {Uint8Array} bytes
 * @param {(width: number, height: number, channels: number) => void} [judge]
 */
export async function readPng(bytes, judge) {
  if (bytes.length < 33 || !SIGNATURE.every((b, i) => bytes[i] === b)
      || ascii(bytes.subarray(8, 16)) !== '\0\0\0\x0dIHDR') throw new Error('not a PNG file');
  const view = viewOf(bytes), [width, height] = [view.getUint32(16), view.getUint32(20)];
  const channels = { 0: 1, 2: 3, 4: 2, 6: 4 }[bytes[25]];
  if (bytes[24] !== 8 || !channels) throw new Error(`${bytes[24]} bits, colour type ${bytes[25]}`);
  if (bytes[27] || crc32(bytes.subarray(12, 29)) !== view.getUint32(29)) {
    throw new Error('PNG checksum mismatch');
  }
  judge?.(width, height, channels);
  const parts = [];
  for (let at = 33; at + 12 <= bytes.length;) {
    const size = view.getUint32(at), kind = ascii(bytes.subarray(at + 4, at + 8));
    if (kind === 'IEND') break;
    const end = at + size + 12;
    if (end > bytes.length) throw new Error('PNG is cut short');
    if (kind === 'IDAT') {
      if (crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
        throw new Error('PNG checksum mismatch');
      }
      parts.push(bytes.subarray(at + 8, end - 4));
    }
    at = end;
  }
  const passes = (bytes[28] ? ADAM7 : [[0, 0, 1, 1]]).map(([y, x, dy, dx]) =>
    ({ y, x, dy, dx, h: Math.ceil((height - y) / dy), w: Math.ceil((width - x) / dx) }))
    .filter(({ h, w }) => h > 0 && w > 0);
  const size = passes.reduce((n, { h, w }) => n + h * (w * channels + 1), 0);
  const packed = parts.reduce((n, p) => n + p.length, 0);
  // No deflate stream grows more than 1032 times: ask before allocating.
  if (packed * 1032 < width * height) throw new Error('PNG is cut short');
  const raw = await inflated(new Blob(parts), size), samples = new Uint8Array(width * height * channels);
  if (raw.length < size) throw new Error('too few samples');
  let at = 0;
  for (const { y, x, dy, dx, h, w } of passes) {
    const row = w * channels, start = at;
    at = unfilter(raw, at, h, row, channels);
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < row; j++) {
        const column = x + dx * Math.floor(j / channels);
        samples[((y + dy * i) * width + column) * channels + j % channels]
          = raw[start + i * (row + 1) + 1 + j];
      }
    }
  }
  return { width, height, channels, samples };
}

/** The alpha plane of an ALPH section. */
export async function pngToAlpha(bytes, width, height) {
  try {
    const { samples } = await readPng(bytes, (w, h, channels) => {
      if (w !== width || h !== height || channels !== 1) {
        throw new Error(`a PNG of ${w}x${h}, ${channels} channels; ` +
          `${width}x${height}, 1 channel is needed`);
      }
    });
    return samples;
  } catch (error) {
    throw new FormatError(`ALPH section: ${error.message}`);
  }
}

function chunk(kind, ...parts) {
  const size = parts.reduce((n, p) => n + p.length, 0), out = new Uint8Array(size + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, size);
  for (let i = 0; i < 4; i++) out[4 + i] = kind.charCodeAt(i);
  let at = 8;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  view.setUint32(at, crc32(out.subarray(4, at)));
  return out;
}

const text = (s) => Uint8Array.from(s, (c) => c.charCodeAt(0));

/**
 * A PNG file.
 * @param {{width: number, height: number, samples: Uint8Array, alpha?: Uint8Array,
 *   icc?: Uint8Array, exif?: Uint8Array, xmp?: Uint8Array, filter?: number}} picture one
 *   sample of each pixel or three; filter 0 stores them as they are, 1 their differences
 */
export async function toPng({ width, height, samples, alpha, icc, exif, xmp, filter = 1 }) {
  const n = samples.length / (width * height), channels = n + (alpha ? 1 : 0);
  const row = width * channels, raw = new Uint8Array(height * (row + 1));
  const of = (y, x, c) => (c < n ? samples[(y * width + x) * n + c] : alpha[y * width + x]);
  for (let y = 0; y < height; y++) {
    let at = y * (row + 1);
    raw[at++] = filter;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) raw[at++] = of(y, x, c) - (x && filter ? of(y, x - 1, c) : 0);
    }
  }
  const head = new Uint8Array(13), view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, [0, 0, 4, 2, 6][channels]], 8);
  const deflate = (bytes) => through(new CompressionStream('deflate'), bytes);
  const parts = [SIGNATURE, chunk('IHDR', head)];
  if (icc?.length) parts.push(chunk('iCCP', text('ICC profile\0\0'), await deflate(icc)));
  if (exif?.length) parts.push(chunk('eXIf', exif));
  if (xmp?.length) parts.push(chunk('iTXt', text('XML:com.adobe.xmp\0\0\0\0\0'), xmp));
  parts.push(chunk('IDAT', await deflate(raw)), chunk('IEND'));
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The ALPH section of an alpha plane: the smaller of two ways. */
export async function alphaToPng(alpha, width, height) {
  const [a, b] = await Promise.all([0, 1].map((filter) =>
    toPng({ width, height, samples: alpha, filter })));
  return a.length <= b.length ? a : b;
}

/**
 * Replace the colours of fully transparent pixels, in place, by the mean of the visible
 * ones of their block of 16, 32, 64, .. pixels: they cannot be seen and need no bits.
 */
export function fillHidden(rgb, alpha, width, height) {
  let [w, h] = [Math.ceil(width / 16), Math.ceil(height / 16)];
  const levels = [{ w, h, sums: new Float64Array(4 * w * h) }];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x, at = 4 * ((y >> 4) * w + (x >> 4));
      if (!alpha[i]) continue;
      for (let c = 0; c < 3; c++) levels[0].sums[at + c] += rgb[3 * i + c];
      levels[0].sums[at + 3]++;
    }
  }
  while (Math.max(w, h) > 1) {
    const below = levels[levels.length - 1];
    [w, h] = [(w + 1) >> 1, (h + 1) >> 1];
    const sums = new Float64Array(4 * w * h);
    for (let y = 0; y < below.h; y++) {
      for (let x = 0; x < below.w; x++) {
        const at = 4 * ((y >> 1) * w + (x >> 1)), from = 4 * (y * below.w + x);
        for (let c = 0; c < 4; c++) sums[at + c] += below.sums[from + c];
      }
    }
    levels.push({ w, h, sums });
  }
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (alpha[i]) continue;
      const level = levels.findIndex((l, n) =>
        l.sums[4 * ((y >> (4 + n)) * l.w + (x >> (4 + n))) + 3]);
      if (level < 0) { rgb.fill(0, 3 * i, 3 * i + 3); continue; }
      const { w: columns, sums } = levels[level];
      const at = 4 * ((y >> (4 + level)) * columns + (x >> (4 + level)));
      for (let c = 0; c < 3; c++) rgb[3 * i + c] = Math.round(sums[at + c] / sums[at + 3]);
    }
  }
}

/** Exif whose orientation says upright, as pixels are; what is no Exif is none. */
export function upright(exif) {
  if (!exif || exif.length < 8) return undefined;
  const order = ascii(exif.subarray(0, 4));
  if (order !== 'II*\0' && order !== 'MM\0*') return undefined;
  const out = exif.slice(), view = viewOf(out), little = order[0] === 'I';
  const start = view.getUint32(4, little);
  if (start + 2 > out.length) return out;
  for (let i = 0, at = start + 2; i < view.getUint16(start, little); i++, at += 12) {
    if (at + 12 > out.length) break;
    if (view.getUint16(at, little) !== 0x112) continue;
    const kind = view.getUint16(at + 2, little);
    if (kind === 3) view.setUint16(at + 8, 1, little);
    if (kind === 4) view.setUint32(at + 8, 1, little);
  }
  return out;
}

/** XMP whose orientation says upright, changing nothing but that. */
export function uprightXmp(xmp) {
  const text = Array.from(xmp, (b) => String.fromCharCode(b)).join('');
  const fixed = text.replace(/(tiff:Orientation\s*(?:=\s*["']|>)\s*)[1-8]/g, '$11');
  return Uint8Array.from(fixed, (c) => c.charCodeAt(0));
}
