// ICC profile, Exif and XMP of a JPEG, PNG or WebP file, and what else is in it that is
// left out.

import { ascii, viewOf } from '../container.js';

const XMP = 'http://ns.adobe.com/xap/1.0/\0';

function joined(parts) {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function jpeg(bytes, found) {
  const view = viewOf(bytes), profile = [];
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const kind = bytes[at + 1];
    if (kind === 0xda) break; // samples follow
    const size = view.getUint16(at + 2), data = bytes.subarray(at + 4, at + 2 + size);
    const name = ascii(data.subarray(0, XMP.length));
    if (kind === 0xe1 && name.startsWith('Exif\0\0')) found.exif ??= data.slice(6);
    if (kind === 0xe1 && name === XMP) found.xmp ??= data.slice(XMP.length);
    else if (kind === 0xe1 && name.startsWith('http:')) found.left.add('extended XMP');
    if (kind === 0xe2 && name.startsWith('ICC_PROFILE\0')) profile[data[12]] = data.subarray(14);
    if (kind === 0xe2 && name.startsWith('MPF\0')) found.left.add('further pictures');
    if (kind === 0xed) found.left.add('IPTC');
    at += 2 + size;
  }
  if (profile.length) found.icc = joined(profile.filter(Boolean));
}

async function inflated(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** XMP of a PNG's text; none of other texts. */
async function xmpOf(data) {
  const keyword = 'XML:com.adobe.xmp\0', at = keyword.length;
  if (ascii(data.subarray(0, at)) !== keyword) return undefined;
  const start = data.indexOf(0, data.indexOf(0, at + 2) + 1) + 1;
  return data[at] ? inflated(data.subarray(start)) : data.slice(start);
}

async function png(bytes, found) {
  const view = viewOf(bytes);
  if (bytes[24] === 16) found.left.add('samples beyond 8 bits');
  for (let at = 8; at + 12 <= bytes.length;) {
    const size = view.getUint32(at), kind = ascii(bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + size);
    if (kind === 'eXIf') found.exif = data.slice();
    if (kind === 'iCCP') {
      found.icc = await inflated(data.subarray(data.indexOf(0) + 2));
    }
    if (/^(iTXt|tEXt|zTXt)$/.test(kind)) {
      const xmp = kind === 'iTXt' && await xmpOf(data);
      if (xmp) found.xmp = xmp; else found.left.add('texts');
    }
    if (kind === 'acTL') found.left.add('frames after the first');
    at += size + 12;
  }
}

function webp(bytes, found) {
  const view = viewOf(bytes);
  for (let at = 12; at + 8 <= bytes.length;) {
    const kind = ascii(bytes.subarray(at, at + 4)), size = view.getUint32(at + 4, true);
    const data = bytes.subarray(at + 8, at + 8 + size);
    if (kind === 'ICCP') found.icc = data.slice();
    if (kind === 'EXIF') found.exif = ascii(data.subarray(0, 4)) === 'Exif' ? data.slice(6) : data.slice();
    if (kind === 'XMP ') found.xmp = data.slice();
    if (kind === 'ANIM') found.left.add('frames after the first');
    at += 8 + size + size % 2;
  }
}

/**
 * @param {Uint8Array} bytes of a picture file
 * @returns {Promise<{icc?: Uint8Array, exif?: Uint8Array, xmp?: Uint8Array, known: boolean, left: string[]}>}
 *   `known` is false for formats that this does not read
 */
export async function metadataOf(bytes) {
  const found = { left: new Set(), known: true }, start = ascii(bytes.subarray(0, 12));
  try {
    if (start.startsWith('\xff\xd8')) jpeg(bytes, found);
    else if (start.startsWith('\x89PNG')) await png(bytes, found);
    else if (start.startsWith('RIFF') && start.endsWith('WEBP')) webp(bytes, found);
    else found.known = false;
  } catch {
    found.left.add('damaged metadata');
  }
  if (!found.known) found.left.add('metadata');
  return { ...found, left: [...found.left] };
}
