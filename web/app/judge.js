// The page's second worker: pictures as other codecs' files, and how like pictures are.

import { answer } from '../calls.js';
import { InputError, UnsupportedError } from '../errors.js';
import { psnr, score } from './score.js';

// As `aecompress --view` has it.
const AVIF = { speed: 6, subsample: 3, qualityAlpha: -1, bitDepth: 8, tune: 0, denoiseLevel: 0,
  tileColsLog2: 0, tileRowsLog2: 0, chromaDeltaQ: false, sharpness: 0, enableSharpYUV: false,
  lossless: false };
let avif; // its encoder, once it is needed

/** A picture on a canvas, on white unless `clear`. */
async function canvasOf(blob, clear) {
  const image = await createImageBitmap(blob).catch(() => {
    throw new InputError('this browser does not show the picture');
  });
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = '#fff';
  if (!clear) context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  return { canvas, pixels: () => context.getImageData(0, 0, canvas.width, canvas.height) };
}

/** What makes a file of a quality 0..100. */
async function encoder(blob, kind) {
  const type = `image/${kind}`, { canvas, pixels } = await canvasOf(blob, kind !== 'jpeg');
  if (kind !== 'avif') {
    return async (quality) => {
      const file = await canvas.convertToBlob({ type, quality: quality / 100 });
      if (file.type !== type) throw new UnsupportedError(`this browser writes no ${kind}`);
      return file;
    };
  }
  avif ??= import('./avif/avif_enc.js').then(({ default: start }) => start({ noInitialRun: true }));
  const [module, { data, width, height }] = [await avif, pixels()];
  return async (quality) => {
    const bytes = module.encode(new Uint8Array(data.buffer), width, height, { ...AVIF, quality });
    if (!bytes) throw new UnsupportedError('the AVIF encoder does not take this picture');
    return new Blob([bytes], { type });
  };
}

answer({
  async compare(original, { copy }) {
    const [a, b] = await Promise.all([original, copy].map(async (blob) => (await canvasOf(blob)).pixels()));
    if (a.width !== b.width || a.height !== b.height) return {};
    return { psnr: psnr(a, b), score: score(a, b) };
  },

  /** The best quality of at most so many bytes; else the smallest file. */
  async rival(blob, { kind, size, progress }) {
    const make = await encoder(blob, kind);
    let [low, high, best] = [0, 100, null];
    for (let i = 1; low <= high; i++) {
      const quality = (low + high) >> 1, start = performance.now(), file = await make(quality);
      const time = (performance.now() - start) / 1000;
      if (!best || file.size <= size || best.file.size > size) best = { file, quality, time };
      if (file.size <= size) low = quality + 1; else high = quality - 1;
      progress?.(i / 7);
    }
    return best;
  },
});
