// ICC profile and Exif of a JPEG, PNG or WebP file, and what else is in it that is left out.

import { ascii, viewOf } from '../container.js';

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
    const name = ascii(data.subarray(0, 14));
    if (kind === 0xe1 && name.startsWith('Exif\0\0')) found.exif ??= data.slice(6);
    if (kind === 0xe1 && name.startsWith('http:')) found.left.add('XMP');
    if (kind === 0xe2 && name.startsWith('ICC_PROFILE\0')) profile[data[12]] = data.subarray(14);
    if (kind === 0xe2 && name.startsWith('MPF\0')) found.left.add('further pictures');
    if (kind === 0xed) found.left.add('IPTC');
    at += 2 + size;
  }
  if (profile.length) found.icc = joined(profile.filter(Boolean));
}

async function png(bytes, found) {
  const view = viewOf(bytes);
  if (bytes[24] === 16) found.left.add('samples beyond 8 bits');
  for (let at = 8; at + 12 <= bytes.length;) {
    const size = view.getUint32(at), kind = ascii(bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + size);
    if (kind === 'eXIf') found.exif = data.slice();
    if (kind === 'iCCP') {
      const packed = data.subarray(data.indexOf(0) + 2);
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
      found.icc = new Uint8Array(await new Response(stream).arrayBuffer());
    }
    if (/^(iTXt|tEXt|zTXt)$/.test(kind)) found.left.add('texts');
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
    if (kind === 'XMP ') found.left.add('XMP');
    if (kind === 'ANIM') found.left.add('frames after the first');
    at += 8 + size + size % 2;
  }
}

/**
 * @param {Uint8Array} bytes of a picture file
 * @returns {Promise<{icc?: Uint8Array, exif?: Uint8Array, known: boolean, left: string[]}>}
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
