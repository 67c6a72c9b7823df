// The conformance set and the bad files in Node.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import * as codec from '../index.js';
import { readPng } from '../png.js';
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
