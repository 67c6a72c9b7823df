// What the page asks for, done in the browser. `aecompress --view` serves local.js in its
// place, which asks the program that serves the page.

import * as codec from '../index.js';
import { metadataOf } from './metadata.js';

export const promise = 'They stay on this machine.';
export const scores = false;
export const decode = async (blob, progress) => ({ png: await codec.toPng(blob, { progress }),
  header: await codec.info(blob) });

/** Get ready: what there is to choose from. The page and its models are then kept. */
export async function prepare() {
  const kept = navigator.serviceWorker?.register('sw.js').then(() => navigator.serviceWorker.ready);
  await codec.prepare();
  const { default: model, quality, models } = await codec.models();
  return { model, models: Object.keys(models), rivals: ['jpeg', 'webp'], files: [], quality,
    later: kept?.then(() => 'Ready, also without a network.').catch(() => null) };
}

/** The pixels of a picture file; those of its own colour space where a profile says which. */
async function pixels(blob, isTagged) {
  const image = await createImageBitmap(blob, { premultiplyAlpha: 'none',
    colorSpaceConversion: isTagged ? 'none' : 'default' });
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** A file of a picture: of a quality, or of at most so many bytes. */
export async function encode(blob, { quality, size, model, metadata, progress }) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const { icc, exif, left, known } = await metadataOf(bytes);
  // Colour is no metadata: a profile stays in any case.
  const image = await pixels(blob, icc);
  const options = { quality, model, icc, exif: metadata ? exif : undefined };
  const one = async (q, from, to) => new Blob([await codec.encode(image, { ...options, quality: q,
    progress: (p) => progress?.(from + p * (to - from)) })]);
  const notes = metadata || !known ? left : [...left, ...(exif ? ['Exif'] : [])];
  if (!size) return { file: await one(quality, 0, 1), quality, notes };
  let [low, high, best] = [1, 100, null];
  for (let i = 0; i < 7 && low <= high; i++) {
    const q = i ? Math.round((low + high) / 2) : quality, file = await one(q, i / 7, (i + 1) / 7);
    if (file.size <= size) {
      [best, low] = [{ file, quality: q, notes }, q + 1];
    } else {
      high = q - 1;
    }
  }
  if (!best) throw new codec.LimitError(`no quality gives ${size} bytes or fewer`);
  return best;
}

/** A picture as another codec's file of at most so many bytes, made by the browser. */
export async function rival(blob, kind, size) {
  // Of at most so many bytes; else the smallest.
  const image = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  if (kind === 'jpeg') {
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  context.drawImage(image, 0, 0);
  let [low, high, best] = [0, 100, null];
  while (low <= high) {
    const quality = (low + high) >> 1;
    const file = await canvas.convertToBlob({ type: `image/${kind}`, quality: quality / 100 });
    if (file.type !== `image/${kind}`) throw new codec.UnsupportedError(`this browser writes no ${kind}`);
    if (!best || file.size <= size || best.file.size > size) best = { file, quality };
    if (file.size <= size) low = quality + 1; else high = quality - 1;
  }
  return best;
}
