// Encodes PNG files with this package in Node: tests/test_web.py compares with Python.
//
//     node web/test/encode.js OUT QUALITY PNG...
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { configure, encode } from '../index.js';
import { readPng } from '../png.js';

const [out, quality, ...files] = process.argv.slice(2);
configure({ models: new URL('../dist/models/', import.meta.url) });
for (const file of files) {
  const { width, height, channels, samples } = await readPng(new Uint8Array(readFileSync(file)));
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  const colours = channels - (channels % 2 ? 0 : 1);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) data[4 * i + c] = samples[i * channels + (colours > 1 ? c : 0)];
    if (channels % 2 === 0) data[4 * i + 3] = samples[i * channels + colours];
  }
  const target = join(out, `${basename(file, '.png')}.aec`);
  writeFileSync(target, new Uint8Array(await encode({ width, height, data },
    { quality: Number(quality) })));
}
