// Keeps the page for when there is no network. Models are kept by model.js.
//
// Its answers isolate the page (COOP, COEP), so that networks may use threads from the
// second visit on, whatever the server says. The last line but one is filled in by
// assemble.mjs, so each version of the page has a cache of its own.

const VERSION = '';
const FILES = [];

/** A response that isolates the page. */
function isolating(response) {
  if (response.status !== 200) return response;
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  return new Response(response.body, { status: 200, headers });
}

// They are kept with their headers, as a browser keeps the engine compiled only beside a
// response that it gets as the cache has it.
async function keep(file) {
  const response = await fetch(file, { cache: 'no-cache' });
  if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
  await (await caches.open(VERSION)).put(file, isolating(response));
}

self.addEventListener('install', (event) => {
  event.waitUntil(Promise.all(FILES.map(keep)).then(() => self.skipWaiting()));
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('aecompress-page-') && name !== VERSION) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== location.origin) return;
  event.respondWith((async () => {
    const cache = await caches.open(VERSION);
    return await cache.match(event.request, { ignoreSearch: true })
      ?? isolating(await fetch(event.request));
  })());
});
