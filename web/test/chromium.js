// A page in Debian's Chromium, and a server of the repository on the loopback.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript',
  '.css': 'text/css', '.json': 'application/json', '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml', '.png': 'image/png', '.webmanifest': 'application/manifest+json' };
// The page is isolated, so that networks may use threads.
// The engine may be cached, as browsers then keep it compiled.
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp' };
const caching = (path) => (path.endsWith('.wasm') ? 'max-age=3600' : 'no-cache');

/** The first of some programs that is installed. */
function program(...names) {
  for (const folder of process.env.PATH.split(delimiter)) {
    const found = names.map((name) => join(folder, name)).find((path) => existsSync(path));
    if (found) return found;
  }
  return null;
}

export const CHROMIUM = program('chromium', 'chromium-browser', 'google-chrome');

/** Why there is no browser here; false if there is one. */
export const missing = CHROMIUM ? false : 'no chromium';

/** Serve the repository; `files` are further ones, by path. */
export async function serve(files = {}) {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://x').pathname)
      .replace(/\/$/, '/index.html');
    const given = files[path], file = join(ROOT, normalize(path));
    if (given === undefined && !(file.startsWith(ROOT) && existsSync(file)
        && statSync(file).isFile())) {
      response.writeHead(404, HEADERS).end();
      return;
    }
    response.writeHead(200, { ...HEADERS, 'Cache-Control': caching(path),
      'Content-Type': TYPES[extname(path)] ?? 'text/plain' });
    if (given === undefined) createReadStream(file).pipe(response);
    else response.end(given);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { origin: `http://127.0.0.1:${server.address().port}`,
    close: () => { server.closeAllConnections(); server.close(); } };
}

/** A browser and the hosts that its pages asked for. */
export async function launch(origin, { args = [], ...options } = {}) {
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', ...args] });
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  const elsewhere = [], problems = [];
  await context.route((url) => url.origin !== origin && /^(https?|wss?):$/.test(url.protocol),
    (route) => { elsewhere.push(route.request().url()); return route.abort(); });
  context.on('weberror', (error) => problems.push(error.error().message));
  return { browser, context, elsewhere, problems };
}
