// Header, sections and payload <-> the bytes of an `.aec` file (docs/format.md,
// sections 2 to 4). A file is looked at in the order of section 4: lengths, checksum,
// fields. So a damaged file is called damaged, not the work of a newer version.

import { FormatError, InputError, UnsupportedError } from './errors.js';

const MAGIC = [0x89, 0x41, 0x45, 0x43, 0x0a];
const [VERSION, SIZE] = [2, 28];
const [RGB, DEEP, SECTIONS, BLEND] = [1, 2, 4, 8];
const CRITICAL = ['ALPH', 'ICCP', 'STAK'], NEVER_PACKED = ['ALPH', 'STAK'];
const [PACKED, MAX_UNPACKED] = [2 ** 31, 2 ** 24]; // of a section's length; bytes in all

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? n >>> 1 ^ 0xedb88320 : n >>> 1;
  return n;
});

/** CRC-32 as in PNG, of `crc` continued with more bytes. */
export function crc32(bytes, crc = 0) {
  crc = ~crc;
  for (let i = 0; i < bytes.length; i++) crc = crc >>> 8 ^ CRC[(crc ^ bytes[i]) & 255];
  return ~crc >>> 0;
}

export function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export const ascii = (bytes) => String.fromCharCode(...bytes);

function cutShort(bytes, needed) {
  return new FormatError(
    `file is cut short: ${bytes.length} bytes, at least ${needed} are needed`, bytes.length);
}

/** Places of the sections, and where the payload starts. */
function layout(bytes) {
  MAGIC.forEach((wanted, i) => {
    if (i < bytes.length && bytes[i] !== wanted) {
      throw new FormatError('not an .aec file', i);
    }
  });
  if (bytes.length <= MAGIC.length) throw new FormatError('file is cut short', bytes.length);
  const version = bytes[5] >> 4;
  if (!version) throw new FormatError('container version 0', 5);
  if (version !== VERSION) {
    throw new UnsupportedError(
      `container version ${version}; this program reads version ${VERSION}`, version);
  }
  const places = [], view = viewOf(bytes);
  let at = SIZE + (bytes[5] & BLEND ? 1 : 0);
  const need = (end) => { if (bytes.length < end) throw cutShort(bytes, end); };
  need(at);
  if (!(bytes[5] & SECTIONS)) return { places, start: at };
  need(at + 1);
  const count = bytes[at];
  if (!count) throw new FormatError('the list of sections is empty', at);
  at += 1;
  for (let i = 0; i < count; i++) {
    need(at + 8);
    const length = view.getUint32(at + 4, true), isPacked = length >= PACKED;
    const size = isPacked ? length - PACKED : length;
    if (size > bytes.length - at - 8) {
      throw new FormatError(`section at byte ${at} claims ${size} bytes, ` +
        `${bytes.length - at - 8} are left`, at + 4);
    }
    places.push({ at, isPacked, data: bytes.subarray(at + 8, at + 8 + size) });
    at += 8 + size;
  }
  return { places, start: at };
}

/** All fields of a file whose lengths are sound. */
function values(bytes, places) {
  const view = viewOf(bytes), flags = bytes[5];
  if (flags & DEEP) throw new UnsupportedError('samples of more than 8 bits', DEEP);
  const [width, height] = [view.getUint16(14, true), view.getUint16(16, true)];
  const [quality, length] = [view.getUint16(18, true), view.getUint32(24, true)];
  for (const [name, value, at] of [['width', width, 14], ['height', height, 16]]) {
    if (value < 1 || value > 16384) {
      throw new FormatError(`${name} ${value} is not in 1..16384`, at);
    }
  }
  if (quality < 100 || quality > 10000) {
    throw new FormatError(`quality ${quality / 100} is not in 1..100`, 18);
  }
  const blend = flags & BLEND ? bytes[SIZE] : 0;
  if (flags & BLEND && !blend) throw new FormatError('a blend of 0 is not stored', SIZE);
  if (length % 4 || length > 2 ** 31) {
    throw new FormatError(`payload length ${length} is not a multiple of 4 up to 2^31`, 24);
  }
  return {
    width,
    height,
    colour: flags & RGB ? 'rgb' : 'grey',
    quality: quality / 100,
    model: [...bytes.subarray(6, 14)].map((b) => b.toString(16).padStart(2, '0')).join(''),
    symbolCrc: view.getUint32(20, true),
    version: flags >> 4,
    sections: types(bytes, places),
    payloadLength: length,
    blend,
  };
}

function types(bytes, places) {
  const found = [];
  for (const { at } of places) {
    const kind = ascii(bytes.subarray(at, at + 4));
    if (!/^[A-Za-z][A-Za-z0-9]{3}$/.test(kind)) {
      throw new FormatError(`section type ${JSON.stringify(kind)}`, at);
    }
    if (found.includes(kind)) throw new FormatError(`second section ${kind}`, at);
    found.push(kind);
  }
  const unknown = found.find((k) => k[0] <= 'Z' && !CRITICAL.includes(k));
  if (unknown) throw new UnsupportedError(`unknown critical section ${unknown}`, unknown);
  return found;
}

/** The header of a file, of which no more than what comes before the payload is needed. */
export function readHeader(bytes) {
  return values(bytes, layout(bytes).places);
}

/** The first `size` bytes of a zlib stream, or fewer; no more is ever kept. */
export async function inflated(bytes, size) {
  const out = new Uint8Array(size);
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))
    .getReader();
  let at = 0;
  while (at < size) {
    const { done, value } = await reader.read();
    if (done) break;
    out.set(value.subarray(0, size - at), at);
    at += value.length;
  }
  reader.cancel().catch(() => {});
  return out.subarray(0, at);
}

/** The data of a packed section: all of the stream, and no byte behind it. */
async function unpacked(kind, data, limit) {
  const size = data.length < 4 ? Infinity : viewOf(data).getUint32(0, true);
  // No deflate stream grows more than 1032 times: ask before allocating.
  if (NEVER_PACKED.includes(kind) || size > Math.min(limit, 1032 * data.length)) {
    throw new Error(`${size} bytes unpacked`);
  }
  const stream = data.subarray(4), found = await inflated(stream, size + 1);
  // Some engines heed no bytes behind a stream: then it ends without the last one, too.
  const isWhole = await inflated(stream.subarray(0, -1), size + 1).then(() => true, () => false);
  if (found.length !== size || isWhole) throw new Error(`does not unpack to ${size} bytes`);
  return found;
}

/**
 * Take a file apart.
 * @param {Uint8Array} bytes
 * @returns {Promise<{header: object, sections: Object<string, Uint8Array>,
 *   payload: Uint8Array}>}
 */
export async function unpack(bytes) {
  const { places, start } = layout(bytes), view = viewOf(bytes);
  const end = start + view.getUint32(24, true);
  if (bytes.length < end + 4) throw cutShort(bytes, end + 4);
  if (bytes.length > end + 4) {
    throw new FormatError(`${bytes.length - end - 4} bytes after the end of the file`, end + 4);
  }
  if (crc32(bytes.subarray(0, end)) !== view.getUint32(end, true)) {
    throw new FormatError('checksum mismatch; file is damaged', end);
  }
  const header = values(bytes, places);
  const sections = {};
  let left = MAX_UNPACKED;
  for (const [i, kind] of header.sections.entries()) {
    const { at, isPacked, data } = places[i];
    sections[kind] = data;
    if (!isPacked) continue;
    try {
      sections[kind] = await unpacked(kind, data, left);
    } catch (error) {
      throw new FormatError(`section ${kind}: ${error.message}`, at);
    }
    left -= sections[kind].length;
  }
  return { header, sections, payload: bytes.subarray(start, end) };
}

/**
 * Build a file.
 * @param {{width: number, height: number, colour: string, quality: number, model: string,
 *   symbolCrc: number}} header
 * @param {Uint8Array} payload
 * @param {Object<string, Uint8Array>} sections
 * @returns {Uint8Array}
 */
export function pack(header, payload, sections = {}) {
  const list = Object.entries(sections);
  const size = list.reduce((n, [, data]) => n + 8 + data.length, list.length ? 1 : 0);
  const bytes = new Uint8Array(SIZE + size + payload.length + 4), view = viewOf(bytes);
  bytes.set(MAGIC);
  bytes[5] = VERSION << 4 | (header.colour === 'rgb' ? RGB : 0) | (list.length ? SECTIONS : 0);
  for (let i = 0; i < 8; i++) bytes[6 + i] = parseInt(header.model.slice(2 * i, 2 * i + 2), 16);
  view.setUint16(14, header.width, true);
  view.setUint16(16, header.height, true);
  view.setUint16(18, Math.round(header.quality * 100), true);
  view.setUint32(20, header.symbolCrc, true);
  view.setUint32(24, payload.length, true);
  let at = SIZE;
  if (list.length) bytes[at++] = list.length;
  for (const [kind, data] of list) {
    for (let i = 0; i < 4; i++) bytes[at + i] = kind.charCodeAt(i);
    view.setUint32(at + 4, data.length, true);
    bytes.set(data, at + 8);
    at += 8 + data.length;
  }
  bytes.set(payload, at);
  at += payload.length;
  view.setUint32(at, crc32(bytes.subarray(0, at)), true);
  try {
    readHeader(bytes); // it knows every rule; a second list of them would drift
  } catch (error) {
    throw new InputError(`cannot be written: ${error.message}`);
  }
  return bytes;
}
