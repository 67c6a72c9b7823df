// The conformance set and the bad files in Chromium, in a worker, with threads.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test, { after, before } from 'node:test';
import { lists } from './cases.js';
import { launch, missing, serve } from './chromium.js';

const read = (path) => readFile(new URL(`../../${path}`, import.meta.url));
const { cases, bad } = await lists(read);
const options = { skip: missing };
const PAGE = '<!doctype html><meta charset="utf-8"><title>test</title>' +
  '<img data-aec="/tests/conformance/files/alpha-80x50.aec" alt="with alpha">' +
  '<img data-aec="/tests/data/bad/cut-one.aec" alt="damaged">';

let server, page, made;

before(async () => {
  if (missing) return;
  server = await serve({ '/page.html': PAGE });
  made = await launch(server.origin);
  page = await made.context.newPage();
  await page.goto(`${server.origin}/page.html`);
  await page.evaluate(async () => {
    const read = async (path) => new Uint8Array(await (await fetch(`/${path}`)).arrayBuffer());
    const [codec, { readPng }, cases] = await Promise.all(['/web/dist/index.js',
      '/web/dist/png.js', '/web/test/cases.js'].map((path) => import(path)));
    Object.assign(window, { codec, readPng, cases, read });
  });
}, { timeout: 60000 });

after(async () => {
  await made?.browser.close();
  server?.close();
});

for (const one of cases) {
  test(`Chromium, conformance: ${one.name}`, options, async () => {
    assert.equal(await page.evaluate((c) => cases.conform(codec, readPng, read, c), one), null);
  });
}
for (const one of bad) {
  test(`Chromium, bad file: ${one.name}`, options, async () => {
    assert.equal(await page.evaluate((c) => cases.refused(codec, read, c), one), one.error);
  });
}

test('Chromium: images of a page', options, async () => {
  const failed = page.evaluate(() => new Promise((resolve) => {
    document.images[1].addEventListener('error', (event) => resolve(event.message));
  }));
  const found = await page.evaluate(async () => {
    await codec.showImages();
    const image = document.images[0], canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const shown = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const wanted = await codec.decode(await fetch(image.dataset.aec));
    let most = 0;
    for (let i = 0; i < shown.length; i += 4) {
      // A canvas keeps colours only as far as alpha shows them.
      const sure = shown[i + 3] === 255 ? 4 : 0;
      for (let c = 0; c < sure; c++) {
        most = Math.max(most, Math.abs(shown[i + c] - wanted.data[i + c]));
      }
      most = Math.max(most, Math.abs(shown[i + 3] - wanted.data[i + 3]));
    }
    return { size: [canvas.width, canvas.height], most, title: document.images[1].title };
  });
  assert.deepEqual(found.size, [50, 80]);
  assert.equal(found.most, 0);
  assert.match(found.title, /cut short/);
  assert.match(await failed, /cut short/);
});

test('Chromium: the page was never frozen, its networks had threads', options, async () => {
  const found = await page.evaluate(async () => {
    let [last, longest, share] = [performance.now(), 0, 0];
    const timer = setInterval(() => {
      const now = performance.now();
      [longest, last] = [Math.max(longest, now - last), now];
    }, 5);
    const data = await read('tests/conformance/files/slabs-528x544.aec');
    const started = performance.now();
    await codec.decode(data, { progress: (p) => { share = p; } });
    clearInterval(timer);
    return { part: longest / (performance.now() - started), share, isolated: crossOriginIsolated };
  });
  assert.equal(found.share, 1);
  assert(found.isolated && found.part < 0.5, JSON.stringify(found));
});

test('Chromium: models are kept, and altered ones are refused', options, async () => {
  const found = await page.evaluate(async () => {
    const cache = await caches.open('aecompress-models'), keys = await cache.keys();
    return keys.map((request) => new URL(request.url).pathname.split('/').pop()).sort();
  });
  assert(found.includes('synthesis.onnx') && found.includes('tables.npz'));
  assert(!found.includes('analysis.onnx')); // the encoder's
  const altered = await made.context.newPage();
  await altered.route('**/synthesis.onnx', (route) => route.fulfill({ body: 'no model' }));
  await altered.goto(`${server.origin}/page.html`);
  const name = await altered.evaluate(async () => {
    await caches.delete('aecompress-models');
    const { decode } = await import('/web/dist/index.js');
    const response = await fetch('/tests/conformance/files/one-pixel.aec');
    return decode(response).then(() => null, (error) => error.name);
  });
  await altered.close();
  assert.equal(name, 'ModelError');
});

test('Chromium: pixels by WebGPU, on an adapter in software', options, async (t) => {
  const gpu = await launch(server.origin, { args: ['--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan', '--use-vulkan=swiftshader'] });
  try {
    const other = await gpu.context.newPage(), asked = [];
    other.on('request', (request) => asked.push(request.url().split('/').pop()));
    await other.goto(`${server.origin}/page.html`);
    const few = cases.filter(({ name }) => ['alpha-80x50', 'block-64x64'].includes(name));
    const found = await other.evaluate(async (some) => {
      if (!await navigator.gpu?.requestAdapter()) return null;
      const [codec, { readPng }, { conform }] = await Promise.all(['/web/dist/index.js',
        '/web/dist/png.js', '/web/test/cases.js'].map((path) => import(path)));
      const read = async (path) => new Uint8Array(await (await fetch(`/${path}`)).arrayBuffer());
      codec.configure({ device: 'webgpu', engine: '/web/node_modules/onnxruntime-web/dist/' });
      const wrong = [];
      for (const one of some) wrong.push(await conform(codec, readPng, read, one));
      return wrong;
    }, few);
    if (!found) return t.skip('no WebGPU adapter');
    assert.deepEqual(found, few.map(() => null));
    assert(asked.includes('ort.webgpu.bundle.min.mjs'), `${asked}`);
    assert.deepEqual(gpu.elsewhere, []);
  } finally {
    await gpu.browser.close();
  }
});

test('Chromium: nothing came from another host', options, () => {
  assert.deepEqual(made.elsewhere, []);
});
