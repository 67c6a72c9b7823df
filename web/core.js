// The exact path (core/aec.h) in WebAssembly: payloads of `.aec` files to symbols.
//
//     const core = await Core.load(wasmBytes, tables)
//     const { z, s } = core.read(payload, { width, height, quality, symbolCrc })
//
// `tables` are a model's, as `python -m codec.symbols.core MODEL FILE` writes them.
// It runs in browsers, workers and Node, and needs nothing else.

export class AecError extends Error {}

const STATUS = ['', 'the file is damaged', 'the tables are no model', 'out of range',
  'not enough memory'];

function check(status) {
  if (status) throw new AecError(STATUS[status] ?? `status ${status}`);
}

/** A model, ready to read symbols. */
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
    const at = this.take(tables.length);
    this.bytes().set(tables, at);
    const size = exports.aec_model_bytes(tables.length, at);
    if (!size) throw new AecError(STATUS[2]);
    const model = this.take(size);
    check(exports.aec_model_init(size, model, tables.length, at));
    this.model = model;
    const sizes = this.take(20);
    exports.aec_model_sizes(model, sizes);
    [this.nz, this.m, this.k, this.zMax] = this.ints(sizes, 4);
    this.kept = this.free;
  }

  bytes() { return new Uint8Array(this.c.memory.buffer); }

  ints(at, n) { return new Int32Array(this.c.memory.buffer, at, n); }

  shorts(at, n) { return new Int16Array(this.c.memory.buffer, at, n); }

  /** Memory of the module, until the picture is done. */
  take(size) {
    const at = this.free;
    this.free = (at + size + 63) & ~63;
    const missing = this.free - this.c.memory.buffer.byteLength;
    if (missing > 0) this.c.memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  /**
   * Slabs of a picture of so many pixels, in the order of their streams.
   * @returns {{top: number, left: number, height: number, width: number}[]} in cells
   */
  slabs(width, height) {
    const [hy, wy] = [(height + 15) >> 4, (width + 15) >> 4];
    const at = this.take(28), found = [];
    const n = this.c.aec_slab_count((hy + 3) >> 2, (wy + 3) >> 2);
    for (let i = 0; i < n; i++) {
      check(this.c.aec_slab_place(1, hy, wy, i, at));
      const [, , , top, left, h, w] = this.ints(at, 7);
      found.push({ top, left, height: h, width: w });
    }
    return found;
  }

  /**
   * Symbols of a payload; each slab's checksum is compared.
   * @param {Uint8Array} payload
   * @param {{width: number, height: number, quality: number, symbolCrc: number}} header
   * @param {(slab: object, symbols: Int16Array, z: Int16Array) => void} [onSlab] is told
   *   of each slab once it is read; the arrays are good until it returns
   * @returns {{z: Int16Array, s: Int16Array}} z (hz, wz, NZ) and s (hy, wy, M)
   */
  read(payload, { width, height, quality, symbolCrc }, onSlab) {
    const { c, model } = this;
    this.free = this.kept;
    const [hy, wy] = [(height + 15) >> 4, (width + 15) >> 4];
    const [hz, wz] = [(hy + 3) >> 2, (wy + 3) >> 2];
    const q = Math.floor((Math.round(quality * 100) + 50) / 100);
    const places = this.slabs(width, height);
    const from = this.take(payload.length);
    this.bytes().set(payload, from);
    const [reader, place, out] = [this.take(64), this.take(28), this.take(12)];
    const nz = hz * wz * this.nz;
    const z = this.take(2 * nz);
    const s = new Int16Array(hy * wy * this.m);
    const start = this.free;
    places.forEach((p, i) => {
      this.free = start;
      this.ints(out, 3)[2] = symbolCrc;
      check(c.aec_stream(payload.length, from, places.length, i, out, out + 4, out + 8));
      const [length, bytes, crc] = this.ints(out, 3);
      check(c.aec_reader_init(reader, length, bytes));
      if (!i) check(c.aec_read_z(model, reader, q, 1, hz, wz, z));
      check(c.aec_slab_place(1, hy, wy, i, place));
      const size = c.aec_slab_bytes(model, place);
      const slab = this.take(size);
      check(c.aec_slab_init(size, slab, model, place, q, z));
      check(c.aec_slab_read(slab, reader));
      check(c.aec_reader_end(reader));
      const [at, n] = [c.aec_slab_symbols(slab), c.aec_slab_size(slab)];
      if (c.aec_crc(model, c.aec_crc(model, 0, nz, z), n, at) !== crc) {
        throw new AecError('symbol checksum mismatch');
      }
      const symbols = this.shorts(at, n), row = p.width * this.m;
      for (let y = 0; y < p.height; y++) {
        s.set(symbols.subarray(y * row, (y + 1) * row),
          ((p.top + y) * wy + p.left) * this.m);
      }
      onSlab?.(p, symbols, this.shorts(z, nz));
    });
    return { z: this.shorts(z, nz).slice(), s };
  }

  /** CRC-32 of symbols (docs/format.md, section 4), continued. */
  crc(crc, symbols) {
    const start = this.free, at = this.take(2 * symbols.length);
    this.shorts(at, symbols.length).set(symbols);
    this.free = start;
    return this.c.aec_crc(this.model, crc, symbols.length, at) >>> 0;
  }
}
