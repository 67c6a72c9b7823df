// Prints name and checksum of the symbols of .aec files: web/core.js in Node.
//
//     node tests/core_symbols.mjs core.wasm tables FILE...
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { AecError, Core } from '../web/core.js';

const [wasm, tables, ...files] = process.argv.slice(2);
const core = await Core.load(readFileSync(wasm), readFileSync(tables));
for (const file of files) {
  const bytes = readFileSync(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(24, true);
  const payload = bytes.subarray(bytes.length - 4 - length, bytes.length - 4);
  let cells = 0;
  try {
    const { z, s } = core.read(payload, {
      width: view.getUint16(14, true),
      height: view.getUint16(16, true),
      quality: view.getUint16(18, true) / 100,
      symbolCrc: view.getUint32(20, true),
    }, (slab) => { cells += slab.height * slab.width; });
    const crc = core.crc(core.crc(0, z), s).toString(16).padStart(8, '0');
    console.log(basename(file, '.aec'), cells * core.m === s.length ? crc : 'slabs');
  } catch (error) {
    if (!(error instanceof AecError)) throw error;
    console.log(basename(file, '.aec'), error.message);
  }
}
