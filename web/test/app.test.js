// The page, as a user has it: dropped files, slider, download, no network.
//
// DOWNLOADS is a folder that keeps what was downloaded, for tests/test_web.py to decode.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { unpack } from '../container.js';
import { configure, encode } from '../index.js';
import { toPng } from '../png.js';
import { metadataOf } from '../app/metadata.js';
import { distinct } from '../app/zip.js';
import { launch, missing, serve } from './chromium.js';

const options = { skip: missing };
const folder = process.env.DOWNLOADS ?? mkdtempSync(join(tmpdir(), 'aec-'));
const FILES = '../tests/conformance/files';
const at = (name) => join(new URL('.', import.meta.url).pathname, '..', FILES, name);

let server, made, page;

const done = (n) => page.waitForFunction((count) => !document.getElementById('all').disabled
  && document.querySelectorAll('#list li').length === count, n, { timeout: 120000 });

async function download(button, name) {
  const [got] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
  await got.saveAs(join(folder, name));
  return { name: got.suggestedFilename(), bytes: new Uint8Array(readFileSync(join(folder, name))) };
}

before(async () => {
  if (missing) return;
  server = await serve();
  made = await launch(server.origin, { viewport: { width: 1280, height: 900 } });
  page = await made.context.newPage();
  page.setDefaultTimeout(120000); // where other programs run as well
  page.on('pageerror', (error) => made.problems.push(error.message));
  await page.goto(`${server.origin}/web/dist/`);
  await page.waitForFunction(() => /without/.test(document.getElementById('status').textContent),
    null, { timeout: 120000 });
}, { timeout: 180000 });

after(async () => {
  await made?.browser.close();
  server?.close();
});

test('a dropped picture becomes a file; the slider changes it', options, async () => {
  const bytes = [...readFileSync(at('photo-160x240.in.png'))];
  await page.evaluate((data) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(data)], 'bird.png', { type: 'image/png' }));
    document.getElementById('drop').dispatchEvent(
      new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, bytes);
  await done(1);
  const first = await download('#save', 'bird.aec');
  assert.equal(first.name, 'bird.aec');
  assert.equal((await unpack(first.bytes)).header.quality, Number(await page.inputValue('#quality')));
  await page.focus('#quality');
  await page.keyboard.press('End');
  for (let i = 0; i < 15; i++) await page.keyboard.press('ArrowLeft');
  await page.waitForFunction(() => /quality 85/.test(document.getElementById('figures').textContent));
  await done(1);
  const better = await download('#save', 'bird-85.aec');
  assert.equal((await unpack(better.bytes)).header.quality, 85);
  assert(better.bytes.length > first.bytes.length);
  const png = await download('#save-png', 'bird-85.png');
  assert.equal(png.name, 'bird.png');
});

test('at most so many bytes, and rivals of no more', options, async () => {
  await page.fill('#target', '2.5');
  await page.keyboard.press('Tab');
  await page.waitForFunction(() => !/quality 85/.test(document.getElementById('figures').textContent));
  await done(1);
  const { bytes } = await download('#save', 'bird-size.aec');
  assert(bytes.length <= 2500 && bytes.length > 2000, `${bytes.length}`);
  for (const kind of ['jpeg', 'webp', 'avif']) {
    await page.selectOption('#rival', kind);
    await page.waitForFunction(() => document.querySelectorAll('#figures tr').length === 3
      && document.getElementById('left').complete);
    const size = await page.evaluate(async () =>
      (await (await fetch(document.getElementById('left').src)).blob()).size);
    assert(size <= bytes.length && size > 0.8 * bytes.length, `${kind} ${size}`);
    const scores = await page.$$eval('#figures td:nth-child(5)', (cells) => cells.map((c) => c.textContent));
    assert.deepEqual(scores.map((s) => /^\d+\.\d$/.test(s)), [false, true, true], `${kind} ${scores}`);
  }
  await page.fill('#target', '');
  await page.keyboard.press('Tab');
});

test('a damaged file says so in a sentence, and the page goes on', options, async () => {
  const bad = join(at('x'), '../../../data/bad');
  await page.setInputFiles('#files', [join(bad, 'flipped-bit.aec'), join(bad, 'version-3.aec'),
    at('alpha-80x50.aec'), at('alpha-80x50.in.png')]);
  await done(5);
  const texts = await page.$$eval('#list li', (items) => items.map((i) => i.textContent));
  assert.match(texts[1], /checksum mismatch; file is damaged/);
  assert.match(texts[2], /container version 3/);
  await page.click('#list li:nth-child(2) .pick');
  assert.match(await page.textContent('#error'), /flipped-bit.aec: checksum mismatch/);
  assert(await page.isHidden('#viewer'));
  await page.click('#list li:nth-child(4) .pick');
  await page.waitForFunction(() => document.getElementById('right').naturalWidth === 50);
  assert(await page.isHidden('#error') && await page.isHidden('#line')); // nothing to compare with
});

test('all files in one ZIP, with names of their own', options, async () => {
  const { bytes } = await download('#all', 'all.zip');
  const text = new TextDecoder('latin1').decode(bytes);
  for (const name of ['bird.aec', 'alpha-80x50.aec', 'alpha-80x50.in.aec']) assert(text.includes(name));
  assert.deepEqual(distinct(['a.aec', 'A.aec', 'b', 'b', 'a.aec']),
    ['a.aec', 'A-2.aec', 'b', 'b-2', 'a-3.aec']);
});

test('keys zoom and move, every control has a name', options, async () => {
  await page.focus('#viewer');
  const shape = () => page.evaluate(() => document.getElementById('right').style.transform);
  const before = await shape();
  await page.keyboard.press('+');
  const zoomed = await shape();
  await page.keyboard.press('ArrowLeft');
  assert.equal(new Set([before, zoomed, await shape()]).size, 3);
  await page.keyboard.press('0');
  assert.equal(await shape(), before);
  const nameless = await page.$$eval('button, input, select, img', (all) => all.filter((e) =>
    !(e.textContent.trim() || e.ariaLabel || e.labels?.length || e.hasAttribute('alt')))
    .map((e) => e.outerHTML));
  assert.deepEqual(nameless, []);
});

test('it fits a phone, and fingers move the line', options, async () => {
  const context = await made.browser.newContext({ viewport: { width: 390, height: 844 },
    hasTouch: true, isMobile: true, colorScheme: 'dark' });
  const phone = await context.newPage();
  await phone.goto(`${server.origin}/web/dist/`);
  await phone.waitForSelector('html[data-ready]', { state: 'attached', timeout: 120000 });
  await phone.setInputFiles('#files', at('photo-160x240.in.png'));
  await phone.waitForFunction(() => document.querySelectorAll('#figures tr').length === 2,
    null, { timeout: 60000 });
  assert(await phone.evaluate(() => document.scrollingElement.scrollWidth <= 390));
  const back = await phone.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  assert.notEqual(back, await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor));
  await phone.locator('#viewer').scrollIntoViewIfNeeded();
  const box = await phone.locator('#viewer').boundingBox(), y = box.y + box.height / 2;
  const session = await context.newCDPSession(phone);
  for (const [type, x] of [['touchStart', 0.5], ['touchMove', 0.6], ['touchMove', 0.75]]) {
    await session.send('Input.dispatchTouchEvent',
      { type, touchPoints: [{ x: box.x + x * box.width, y }] });
  }
  await session.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  const split = Number(await phone.inputValue('#split'));
  assert(Math.abs(split - 75) < 3, `${split}`);
  await context.close();
});

test('it works without a network after the first visit, and came from one host', options, async () => {
  server.close();
  await page.reload();
  await page.waitForSelector('html[data-ready]', { state: 'attached', timeout: 120000 });
  assert(await page.evaluate(() => crossOriginIsolated)); // by the service worker's headers
  // A browser keeps the engine compiled only beside a response that is passed on as it is kept.
  assert.equal(await page.evaluate(async () => (await caches.match('engine/ort-wasm-simd-threaded.wasm'))
    .headers.get('Cross-Origin-Embedder-Policy')), 'require-corp');
  await page.setInputFiles('#files', at('block-64x64.in.png'));
  await done(1);
  await page.selectOption('#rival', 'avif');
  await page.waitForFunction(() => /AVIF, quality/.test(document.getElementById('figures').textContent));
  assert.deepEqual([made.elsewhere, made.problems], [[], []]);
});

test('metadata of a PNG, which a file then has', async () => {
  const { sections } = await unpack(new Uint8Array(readFileSync(at('metadata.aec'))));
  const source = await toPng({ width: 1, height: 1, samples: new Uint8Array(3), icc: sections.ICCP,
    exif: sections.exif, xmp: sections.xmp0 });
  const { icc, exif, xmp, left } = await metadataOf(source);
  assert.deepEqual([icc, exif, xmp, left], [...['ICCP', 'exif', 'xmp0']
    .map((name) => new Uint8Array(sections[name])), []]);
  const words = new TextEncoder().encode("a tiff:Orientation='6' b");
  configure({ models: new URL('../dist/models/', import.meta.url) });
  const file = await encode({ width: 8, height: 8, data: new Uint8ClampedArray(256).fill(255) },
    { icc, exif, xmp: words });
  const made = (await unpack(new Uint8Array(file))).sections;
  assert.deepEqual(Object.keys(made).sort(), ['ICCP', 'exif', 'xmp0']);
  assert.equal(new TextDecoder().decode(made.xmp0), "a tiff:Orientation='1' b");
});
