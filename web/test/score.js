// Scores of pairs of PNG files, one a line: web/app/score.js, for Python to compare.
//
//     node web/test/score.js ORIGINAL.png COPY.png...
import { readFileSync } from 'node:fs';
import { psnr, score } from '../app/score.js';
import { readPng } from '../png.js';

const load = async (path) => {
  const { width, height, samples } = await readPng(new Uint8Array(readFileSync(path)));
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) data.set(samples.subarray(3 * i, 3 * i + 3), 4 * i);
  return { width, height, data };
};
const [original, ...copies] = await Promise.all(process.argv.slice(2).map(load));
for (const copy of copies) console.log(psnr(original, copy), score(original, copy));
