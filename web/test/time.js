// Decoding in Chromium beside Python, in turns, so that both have the same machine. Where
// it has other work as well, processor time is the better measure.
//
//     web/build.sh && PYTHON=.venv/bin/python node web/test/time.js PICTURE.png [THREADS [ROUNDS]]
//
// Without rounds only the first decode of a page is measured, three times.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { CHROMIUM, serve } from './chromium.js';

const SCRIPT = `
import base64, sys, time
import codec
data = codec.encode(sys.argv[1])
print(base64.b64encode(data).decode(), flush=True)
decoder = codec.Decoder(threads=int(sys.argv[2]))
decoder.decode(data)
for _ in sys.stdin:
    start = time.perf_counter(), time.process_time()
    decoder.decode(data)
    print(time.perf_counter() - start[0], time.process_time() - start[1], flush=True)
`;
const [picture, threads = '1', rounds = '9'] = process.argv.slice(2);
const python = spawn(process.env.PYTHON ?? 'python3', ['-c', SCRIPT, picture, threads],
  { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const data = Buffer.from(await next(), 'base64');

const server = await serve({ '/file.aec': data, '/page.html': '<!doctype html><title>t</title>' });
// A profile on disk, as users have: models and the compiled engine stay in it.
const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'aec-')),
  { executablePath: CHROMIUM, args: ['--no-sandbox'] });

const system = await context.browser().newBrowserCDPSession();
/** Processor time of all processes of the browser. */
async function spent() {
  const { processInfo } = await system.send('SystemInfo.getProcessInfo');
  return processInfo.reduce((sum, one) => sum + one.cpuTime, 0);
}

/** A fresh page: seconds from its first line to the first picture. */
async function open() {
  const page = await context.newPage();
  await page.goto(`${server.origin}/page.html`);
  const first = await page.evaluate(async (n) => {
    const start = performance.now();
    const { configure, decode } = await import('/web/dist/index.js');
    configure({ threads: n });
    const file = await (await fetch('/file.aec')).arrayBuffer();
    window.run = async () => {
      const begin = performance.now();
      await decode(file);
      return (performance.now() - begin) / 1000;
    };
    await decode(file);
    return (performance.now() - start) / 1000;
  }, Number(threads));
  return { page, first };
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];
// The first page finds nothing, the second one the models.
const firsts = [], works = [];
let page;
for (let i = 0; i < 5; i++) {
  await page?.close();
  const start = await spent(), made = await open();
  page = made.page;
  firsts.push(made.first);
  works.push(await spent() - start);
  await new Promise((resolve) => { setTimeout(resolve, 2000); }); // it keeps what it compiled
}
const [theirs, ours] = [[], []];
for (let i = 0; i < Number(rounds); i++) {
  if (!i) for (let j = 0; j < 3; j++) await page.evaluate('run()');
  python.stdin.write('\n');
  theirs.push((await next()).split(' ').map(Number));
  const before = await spent();
  ours.push([await page.evaluate('run()'), await spent() - before]);
}
const said = (list) => list.slice(2).map((v) => v.toFixed(2)).join(', ');
console.log(`threads: ${threads}; first decode of a page, models cached: ${said(firsts)} s, ` +
  `processor time ${said(works)} s`);
for (const [i, name] of ours.length ? ['time', 'processor time'].entries() : []) {
  const [a, b] = [theirs, ours].map((list) => median(list.map((pair) => pair[i])));
  console.log(`${name}: Python ${a.toFixed(3)} s, Chromium ${b.toFixed(3)} s, ${(b / a).toFixed(1)} times`);
}
python.stdin.end();
await Promise.all([once(python, 'close'), context.close()]);
server.close();
