// What the page asks for, done in the browser. `aecompress --view` serves local.js in its
// place, which asks the program that serves the page.

import * as codec from '../index.js';
import { caller } from '../calls.js';
import { metadataOf } from './metadata.js';

const judge = caller(new Worker(new URL('./judge.js', import.meta.url), { type: 'module' }));

export const promise = 'They stay on this machine.';
export const decode = async (blob, progress) => ({ png: await codec.toPng(blob, { progress }),
  header: await codec.info(blob) });

/** Get ready: what there is to choose from. The page and its models are then kept. */
export async function prepare() {
  const kept = navigator.serviceWorker?.register('sw.js').then(() => navigator.serviceWorker.ready);
  await codec.prepare();
  const { default: model, quality, models } = await codec.models();
  return { model, models: Object.keys(models), rivals: ['jpeg', 'webp', 'avif'], files: [], quality,
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
  const { icc, exif, xmp, left, known } = await metadataOf(bytes);
  // Colour is no metadata: a profile stays in any case.
  const image = await pixels(blob, icc);
  const options = { quality, model, icc, ...(metadata && { exif, xmp }) };
  const one = async (q, from, to) => new Blob([await codec.encode(image, { ...options, quality: q,
    progress: (p) => progress?.(from + p * (to - from)) })]);
  const notes = metadata || !known ? left : [...left, ...(exif ? ['Exif'] : []), ...(xmp ? ['XMP'] : [])];
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

/** How like a copy, a file that the browser shows, is to the original: {psnr, score}. */
export const compare = (original, copy) => judge('compare', original, { copy });

/** A picture as another codec's file of at most so many bytes: {file, quality, time}. */
export const rival = (blob, kind, size, progress) => judge('rival', blob, { kind, size, progress });
