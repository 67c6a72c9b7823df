// Prints name and checksum of the symbols of .aec files: web/core.js in Node.
//
//     node tests/core_symbols.mjs core.wasm tables FILE...
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { unpack } from '../web/container.js';
import { Core } from '../web/core.js';
import { CodecError } from '../web/errors.js';

const [wasm, tables, ...files] = process.argv.slice(2);
const core = await Core.load(readFileSync(wasm), readFileSync(tables));
for (const file of files) {
  try {
    const { header, payload } = await unpack(new Uint8Array(readFileSync(file)));
    const wy = (header.width + 15) >> 4, hy = (header.height + 15) >> 4;
    const { z, slabs, read } = core.open(payload, header);
    const s = new Int16Array(hy * wy * core.m);
    for (const p of slabs) {
      const symbols = read(p), row = p.width * core.m;
      for (let y = 0; y < p.height; y++) {
        s.set(symbols.subarray(y * row, (y + 1) * row),
          ((p.top + y) * wy + p.left) * core.m);
      }
    }
    const crc = core.crc(core.crc(0, z), s).toString(16).padStart(8, '0');
    console.log(basename(file, '.aec'), crc);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    console.log(basename(file, '.aec'), error.message);
  }
}
