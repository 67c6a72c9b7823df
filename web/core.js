// The exact path (core/aec.h) in WebAssembly: payloads of `.aec` files to symbols, and
// back.
//
//     const core = await Core.load(wasmBytes, tables)
//     const { z, slabs, read } = core.open(payload, header)
//     for (const slab of slabs) read(slab)            // int16, height x width x M
//
// `tables` are a model's, as `python -m codec.symbols.core MODEL FILE` writes them and
// `flat` in model.js makes them. One picture is open at a time: another one takes its
// memory. It runs in browsers, workers and Node, and needs nothing else.

import { CodecError, FormatError, LimitError, ModelError } from './errors.js';

const ERRORS = [
  null,
  () => new FormatError('payload does not decode: file is damaged'),
  () => new ModelError('model: its tables leave the exact range'),
  () => new CodecError('the core says: out of range'),
  () => new LimitError('not enough memory for this picture'),
];

function check(status) {
  if (status) throw ERRORS[status]();
}

/** A model, ready to read and write symbols. */
export class Core {
  /**
   * @param {BufferSource | WebAssembly.Module} wasm core.wasm
   * @param {Uint8Array} tables of the model
   */
  static async load(wasm, tables) {
    const made = await WebAssembly.instantiate(wasm);
    return new Core((made.instance ?? made).exports, tables);
  }

  constructor(exports, tables) {
    this.c = exports;
    this.free = (exports.__heap_base.value + 63) & ~63;
    const start = this.free, at = this.take(tables.length);
    this.bytes().set(tables, at);
    const size = exports.aec_model_bytes(tables.length, at);
    if (!size) check(2);
    this.model = this.take(size);
    check(exports.aec_model_init(size, this.model, tables.length, at));
    const sizes = this.take(20);
    exports.aec_model_sizes(this.model, sizes);
    [this.nz, this.m, this.k, this.zMax] = this.ints(sizes, 4);
    // The tables are needed no longer, but lie below the model.
    this.kept = this.free;
  }

  bytes() { return new Uint8Array(this.c.memory.buffer); }

  ints(at, n) { return new Int32Array(this.c.memory.buffer, at, n); }

  shorts(at, n) { return new Int16Array(this.c.memory.buffer, at, n); }

  /** Memory of the module, until `free` is set back. */
  take(size) {
    const at = this.free;
    this.free = (at + size + 63) & ~63;
    const missing = this.free - this.c.memory.buffer.byteLength;
    try {
      if (missing > 0) this.c.memory.grow(Math.ceil(missing / 65536));
    } catch {
      check(4);
    }
    return at;
  }

  /**
   * Slabs of a picture of so many cells, in the order of their streams.
   * @returns {{index: number, top: number, left: number, height: number,
   *   width: number}[]} in cells
   */
  slabs(hy, wy) {
    const at = this.take(28), found = [];
    const n = this.c.aec_slab_count((hy + 3) >> 2, (wy + 3) >> 2);
    for (let index = 0; index < n; index++) {
      check(this.c.aec_slab_place(1, hy, wy, index, at));
      const [, , , top, left, height, width] = this.ints(at, 7);
      found.push({ index, top, left, height, width });
    }
    return found;
  }

  /** What reading and writing a picture have in common. */
  begin({ width, height, quality }) {
    this.free = this.kept;
    const [hy, wy] = [(height + 15) >> 4, (width + 15) >> 4];
    const [hz, wz] = [(hy + 3) >> 2, (wy + 3) >> 2];
    return { hy, wy, hz, wz, nz: hz * wz * this.nz, q: qualityIndex(quality) + 1,
      slabs: this.slabs(hy, wy) };
  }

  makeSlab({ hy, wy, q }, { index }, z) {
    const { c, model } = this, place = this.take(28);
    check(c.aec_slab_place(1, hy, wy, index, place));
    const size = c.aec_slab_bytes(model, place), slab = this.take(size);
    check(c.aec_slab_init(size, slab, model, place, q, z));
    return slab;
  }

  /**
   * Open a payload and read its z.
   * @param {Uint8Array} payload
   * @param {{width: number, height: number, quality: number, symbolCrc: number}} header
   * @returns {{z: Int16Array, slabs: object[], read: (slab: object) => Int16Array}}
   *   z (hz, wz, NZ), and what reads a slab once its checksum is right. What it gives is
   *   good until the next one.
   */
  open(payload, header) {
    const { c, model } = this, picture = this.begin(header);
    const { hz, wz, nz, q, slabs } = picture;
    const from = this.take(payload.length);
    this.bytes().set(payload, from);
    const [first, other, out] = [this.take(64), this.take(64), this.take(12)];
    const stream = (i, reader) => {
      check(c.aec_stream(payload.length, from, slabs.length, i, out, out + 4, out + 8));
      const [length, bytes] = this.ints(out, 2);
      check(c.aec_reader_init(reader, length, bytes));
    };
    stream(0, first);
    const z = this.take(2 * nz);
    check(c.aec_read_z(model, first, q, 1, hz, wz, z));
    const [ofZ, start] = [c.aec_crc(model, 0, nz, z), this.free];
    const read = (place) => {
      this.free = start;
      const reader = place.index ? other : first;
      let wanted = header.symbolCrc | 0;
      if (place.index) {
        stream(place.index, other);
        wanted = this.ints(out, 3)[2];
      }
      const slab = this.makeSlab(picture, place, z);
      check(c.aec_slab_read(slab, reader));
      check(c.aec_reader_end(reader));
      const [at, n] = [c.aec_slab_symbols(slab), c.aec_slab_size(slab)];
      if (c.aec_crc(model, ofZ, n, at) !== wanted) {
        throw new FormatError('symbol checksum mismatch: the file is damaged');
      }
      return this.shorts(at, n);
    };
    return { z: this.shorts(z, nz).slice(), slabs, read };
  }

  /**
   * Begin to write a picture.
   * @param {{width: number, height: number, quality: number}} header
   * @param {Int16Array} z (hz, wz, NZ)
   * @returns {{slabs: object[], write: Function}} `write(slab, choose)` gives the slab's
   *   stream and checksum; `await choose(step, scales)` gives int16 symbols of a step,
   *   places x n of them, those of uncoded scale indices zero.
   */
  create(header, z) {
    const { c, model } = this, picture = this.begin(header);
    const { hz, wz, nz, q, slabs } = picture, at = this.take(2 * nz);
    this.shorts(at, nz).set(z);
    const [ofZ, start] = [c.aec_crc(model, 0, nz, at), this.free];
    const write = async (place, choose) => {
      this.free = start;
      const slab = this.makeSlab(picture, place, at), n = c.aec_slab_size(slab);
      const capacity = 4 * n + (place.index ? 0 : nz);
      const [writer, step, out] = [this.take(64), this.take(20), this.take(4)];
      const records = this.take(4 * capacity), given = this.take(2 * n);
      c.aec_writer_init(writer, capacity, records);
      if (!place.index) check(c.aec_write_z(model, writer, q, 1, hz, wz, at));
      while (!c.aec_slab_step(slab, step)) {
        const [pass, first, channels, places, last] = this.ints(step, 5);
        check(c.aec_slab_rows(slab, out));
        const [rows] = this.ints(out, 1), size = places * channels;
        const symbols = await choose({ pass, first, n: channels, places, last },
          this.bytes().subarray(rows, rows + size));
        this.shorts(given, size).set(symbols);
        check(c.aec_write(model, writer, q, size, given, rows));
        check(c.aec_slab_put(slab, given));
      }
      const crc = c.aec_crc(model, ofZ, n, c.aec_slab_symbols(slab)) >>> 0;
      const size = 4 * this.ints(writer, 2)[1] + 8, bytes = this.take(size);
      check(c.aec_writer_end(writer, model, q, size, bytes, out));
      return { crc, stream: this.bytes().slice(bytes, bytes + this.ints(out, 1)[0]) };
    };
    return { slabs, write };
  }

  /** CRC-32 of symbols (docs/format.md, section 4), continued. */
  crc(crc, symbols) {
    const start = this.free, at = this.take(2 * symbols.length);
    this.shorts(at, symbols.length).set(symbols);
    this.free = start;
    return this.c.aec_crc(this.model, crc, symbols.length, at) >>> 0;
  }
}

/** Row of the tables by quality: 0..99, as docs/format.md section 5. */
export function qualityIndex(quality) {
  return Math.floor((Math.round(quality * 100) + 50) / 100) - 1;
}
