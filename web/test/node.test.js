// The conformance set and the bad files in Node.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { inflateSync } from 'node:zlib';
import * as codec from '../index.js';
import { unpack } from '../container.js';
import { named } from '../onnx.js';
import { readPng, upright } from '../png.js';
import { conform, lists, refused } from './cases.js';

const read = async (path) => new Uint8Array(await readFile(new URL(`../../${path}`, import.meta.url)));
codec.configure({ models: new URL('../dist/models/', import.meta.url) });
const { cases, bad } = await lists(read);

test('the lists are there', () => assert(cases.length > 30 && bad.length > 40));
for (const one of cases) {
  test(`conformance: ${one.name}`, async () => {
    assert.equal(await conform(codec, readPng, read, one), null);
  });
}
for (const one of bad) {
  test(`bad file: ${one.name}`, async () => {
    assert.equal(await refused(codec, read, one), one.error);
  });
}

test('a region is that part of the picture', async () => {
  for (const name of ['slabs-528x544', 'alpha-80x50']) {
    const data = await read(`tests/conformance/files/${name}.aec`);
    const whole = await codec.decode(data), [top, left, height, width] = [21, 3, 17, 40];
    const part = await codec.decodeRegion(data, [top, left, height, width]);
    assert.deepEqual([part.width, part.height], [width, height]);
    let [differ, most] = [0, 0];
    for (let y = 0; y < height; y++) {
      for (let i = 0; i < 4 * width; i++) {
        const d = Math.abs(part.data[4 * y * width + i]
          - whole.data[4 * ((top + y) * whole.width + left) + i]);
        [differ, most] = [differ + (d > 0), Math.max(most, d)];
      }
    }
    assert(most <= 1 && differ <= 3, `${differ} by up to ${most}`);
  }
  const data = await read('tests/conformance/files/one-pixel.aec');
  await assert.rejects(codec.decodeRegion(data, [0, 0, 2, 1]), codec.InputError);
});

test('a PNG has the samples, the profile and upright Exif', async () => {
  const data = await read('tests/conformance/files/metadata.aec');
  const png = new Uint8Array(await (await codec.toPng(data)).arrayBuffer());
  const { sections } = await unpack(data), chunks = {};
  const view = new DataView(png.buffer);
  for (let at = 8; at < png.length; at += view.getUint32(at) + 12) {
    const kind = String.fromCharCode(...png.subarray(at + 4, at + 8));
    chunks[kind] = png.subarray(at + 8, at + 8 + view.getUint32(at));
  }
  const stored = chunks.iCCP.subarray(chunks.iCCP.indexOf(0) + 2);
  assert.deepEqual(new Uint8Array(inflateSync(stored)), sections.ICCP);
  assert.deepEqual(new Uint8Array(chunks.eXIf), upright(sections.exif));
  const [{ samples }, image] = [await readPng(png), await codec.decode(data)];
  assert(samples.every((v, i) => v === image.data[4 * Math.floor(i / 3) + i % 3]));
});

test('packed sections are unpacked', async () => {
  const packed = await unpack(await read('tests/conformance/files/packed-sections.aec'));
  const { sections } = await unpack(await read('tests/conformance/files/metadata.aec'));
  assert.deepEqual(packed.sections.ICCP, sections.ICCP);
  assert.deepEqual(packed.sections.zzzz, new Uint8Array(999));
  assert.equal(packed.sections.xmp0.length, 9 * sections.xmp0.length);
});

test('Exif is told to be upright, in both orders of bytes', () => {
  for (const little of [true, false]) {
    const exif = new Uint8Array(26), view = new DataView(exif.buffer);
    exif.set(little ? [0x49, 0x49, 0x2a, 0] : [0x4d, 0x4d, 0, 0x2a]);
    view.setUint32(4, 8, little);
    view.setUint16(8, 1, little);
    view.setUint16(10, 0x112, little);
    view.setUint16(12, 3, little);
    view.setUint32(14, 1, little);
    view.setUint16(18, 6, little);
    const found = upright(exif);
    assert.equal(new DataView(found.buffer).getUint16(18, little), 1);
    assert.equal(view.getUint16(18, little), 6);
  }
  assert.equal(upright(new Uint8Array(40)), undefined);
});

test('what no file can hold is refused by name', async () => {
  const one = { width: 1, height: 1, data: new Uint8ClampedArray(4) };
  await assert.rejects(codec.encode(one, { quality: 101 }), codec.InputError);
  await assert.rejects(codec.encode({ ...one, width: 2 }), codec.InputError);
  await assert.rejects(codec.encode(one, { model: '0123456789abcdef' }), codec.UnsupportedError);
  await assert.rejects(codec.decode('text'), codec.InputError);
  await assert.rejects(codec.decode(await read('tests/conformance/files/black.aec'),
    { maxPixels: 5 }), codec.LimitError);
});

test('every model that ships decodes what it encodes', async () => {
  const { models } = await codec.models();
  const image = { width: 40, height: 30, data: new Uint8ClampedArray(4800) };
  for (let i = 3; i < 4800; i += 4) image.data[i] = 255; // black: one model knows digits only
  for (const [name, id] of Object.entries(models)) {
    const file = await codec.encode(image, { model: name, quality: 70 });
    assert.equal((await codec.info(file)).model, id);
    const { data } = await codec.decode(file);
    assert(data.every((v, i) => Math.abs(v - image.data[i]) < 20), name);
  }
});

test('convolutions that WebGPU takes for something else get names', async () => {
  const { models } = await codec.models();
  for (const [name, wanted] of Object.entries({ look: ['padded0'], psnr: ['padded0'], digits: [] })) {
    const graph = await read(`web/dist/models/${models[name]}/synthesis.onnx`);
    const { bytes, names } = named(graph);
    assert.deepEqual(names, wanted);
    assert.equal(bytes.length, graph.length + 9 * names.length); // tag, size, seven letters
    for (const one of names) assert(Buffer.from(bytes).includes(one));
  }
});

test('the checksum of the file covers what decodes without it', async () => {
  const data = await read('tests/conformance/files/metadata.aec');
  const at = data.indexOf(0x49, 40); // in a section that pixels do not need
  data[at] ^= 1;
  await assert.rejects(codec.decode(data), (error) => error instanceof codec.FormatError
    && /checksum mismatch; file/.test(error.message));
});
