// Keeps the page for when there is no network. Models are kept by model.js.
//
// Its answers isolate the page (COOP, COEP), so that networks may use threads from the
// second visit on, whatever the server says. The last line but one is filled in by
// assemble.mjs, so each version of the page has a cache of its own.

const VERSION = '';
const FILES = [];

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(VERSION).then((cache) => cache.addAll(FILES))
    .then(() => self.skipWaiting()));
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
    const found = await cache.match(event.request, { ignoreSearch: true }) ?? await fetch(event.request);
    if (found.status !== 200) return found;
    const headers = new Headers(found.headers);
    headers.set('Cross-Origin-Opener-Policy', 'same-origin');
    headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
    headers.set('Cross-Origin-Resource-Policy', 'same-origin');
    return new Response(found.body, { status: 200, headers });
  })());
});
