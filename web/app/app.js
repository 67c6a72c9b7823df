// The page: a list of files, settings, and the comparison of the one that is chosen.

import * as backend from './backend.js';
import { Viewer } from './viewer.js';
import { distinct, zip } from './zip.js';

const at = (id) => document.getElementById(id);
const NAMES = { original: 'Original', jpeg: 'JPEG', webp: 'WebP', avif: 'AVIF' };
const entries = [], viewer = new Viewer();
let current = null, running = false, wanted = 0;

const isAec = (blob) => blob.slice(0, 5).text().then((start) => start.endsWith('AEC\n'));
const kilobytes = (n) => (n / 1000).toFixed(n < 100000 ? 1 : 0);
const aecName = (name) => `${name.replace(/\.[^.]*$/, '')}.aec`;
const seconds = (since) => (performance.now() - since) / 1000;

function settings() {
  const target = Number(at('target').value);
  return { quality: Number(at('quality').value), size: target > 0 ? Math.floor(1000 * target) : 0,
    model: at('model').value, metadata: at('metadata').checked };
}

class Entry {
  constructor(file) {
    Object.assign(this, { file, name: file.name, state: 'waits', error: null, rivals: {}, urls: [],
      progress: 0 });
  }

  url(blob) {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }

  /** Make and decode its file, with the settings of now. */
  async work() {
    const version = wanted;
    Object.assign(this, { state: 'works', error: null, progress: 0 });
    const progress = (share) => { this.progress = share; busy(this); };
    try {
      this.isAec ??= await isAec(this.file);
      if (this.isAec) {
        this.aec = this.file;
      } else {
        // Some pictures are shown by a browser only once they are converted.
        this.source ??= await (backend.original?.(this.file) ?? this.file);
        this.thumbnail ??= this.original ??= this.url(this.source);
        const started = performance.now();
        const made = await backend.encode(this.file, { ...settings(),
          progress: (p) => progress(0.8 * p) });
        Object.assign(this, { aec: made.file, quality: made.quality, notes: made.notes ?? [],
          score: made.score, psnr: made.psnr, rivals: {}, encoding: made.encoding ?? seconds(started) });
      }
      const started = performance.now();
      const { png, header } = await backend.decode(this.aec,
        (p) => progress(this.source ? 0.8 + 0.2 * p : p));
      Object.assign(this, { png, header, decoding: header.decoding ?? seconds(started), shown: this.url(png) });
      this.thumbnail ??= this.shown;
      this.state = 'done';
    } catch (error) {
      Object.assign(this, { state: 'wrong', error: error.message || String(error) });
    }
    this.version = !this.isAec || this.state === 'wrong' ? version : Infinity;
  }
}

/** Work on what is not up to date, the chosen one first. */
async function run() {
  if (running) return;
  running = true;
  for (;;) {
    const stale = entries.filter((e) => !(e.version >= wanted));
    const next = stale.includes(current) ? current : stale[0];
    if (!next) break;
    list();
    busy(next);
    await next.work();
    list();
    if (next === current) await show();
  }
  running = false;
  busy(null);
}

function changed() {
  at('quality-is').textContent = at('target').value > 0 ? 'by size' : at('quality').value;
  wanted++;
  run();
}

/** Say over the picture what is being done, or nothing. */
function working(text) {
  at('busy').hidden = !text;
  at('busy').textContent = text || '';
}

function busy(entry) {
  working(entry && entry === current && entry.state === 'works'
    && `Working, ${Math.round(100 * entry.progress)} %`);
  if (entry?.item) entry.item.querySelector('span').textContent = summary(entry);
}

function summary(entry) {
  if (entry.state === 'wrong') return entry.error;
  if (entry.state === 'works') return `working, ${Math.round(100 * entry.progress)} %`;
  if (entry.state === 'waits') return 'waits';
  const size = `${kilobytes(entry.aec.size)} kB`;
  return entry.source ? `${kilobytes(entry.file.size)} → ${size}` : size;
}

function list() {
  const box = at('list');
  for (const entry of entries) {
    if (!entry.item) {
      const item = entry.item = document.createElement('li');
      const pick = Object.assign(document.createElement('button'), { type: 'button', className: 'pick' });
      pick.append(Object.assign(document.createElement('img'), { alt: '' }),
        Object.assign(document.createElement('b'), { textContent: entry.name }),
        document.createElement('span'));
      pick.addEventListener('click', () => choose(entry));
      const away = Object.assign(document.createElement('button'), { type: 'button', textContent: '×' });
      away.setAttribute('aria-label', `Remove ${entry.name}`);
      away.addEventListener('click', () => remove([entry]));
      item.append(pick, away);
      box.append(item);
    }
    const pick = entry.item.firstChild, image = pick.firstChild;
    if (entry.thumbnail && image.src !== entry.thumbnail) image.src = entry.thumbnail;
    pick.lastChild.textContent = summary(entry);
    pick.setAttribute('aria-current', String(entry === current));
    entry.item.classList.toggle('wrong', entry.state === 'wrong');
  }
  at('all').disabled = !entries.length || entries.some((e) => e.state === 'works' || !(e.version >= wanted));
  at('clear').disabled = !entries.length;
}

function remove(some) {
  for (const entry of some) {
    entries.splice(entries.indexOf(entry), 1);
    entry.item?.remove();
    entry.urls.forEach((url) => URL.revokeObjectURL(url));
  }
  if (!entries.includes(current)) choose(entries[0] ?? null);
  list();
}

function choose(entry) {
  current = entry;
  list();
  show();
  run();
}

function figure(name, blob, pixels, { psnr, score, time }) {
  const row = document.createElement('tr');
  const cells = [name, kilobytes(blob.size), (8 * blob.size / pixels).toFixed(3),
    psnr === undefined ? '' : psnr === Infinity ? '∞' : psnr.toFixed(2),
    score === undefined ? '' : score.toFixed(1), time === undefined ? '' : time.toFixed(2)];
  for (const text of cells) row.append(Object.assign(document.createElement('td'), { textContent: text }));
  return row;
}

async function show() {
  const entry = current;
  at('empty').hidden = !!entry;
  at('view').hidden = !entry;
  if (!entry) return;
  busy(entry);
  at('error').hidden = entry.state !== 'wrong';
  at('error').textContent = entry.error ? `${entry.name}: ${entry.error}` : '';
  for (const id of ['save', 'save-png']) at(id).disabled = entry.state === 'wrong' || !entry.shown;
  const bare = entry.state === 'wrong' || !entry.shown;
  at('view').classList.toggle('wrong', entry.state === 'wrong');
  at('view').classList.toggle('single', !entry.source);
  at('viewer').classList.toggle('bare', bare);
  if (bare) {
    at('figures').replaceChildren();
    at('notes').textContent = '';
    return;
  }
  const { width, height } = entry.header, pixels = width * height, { aec, png } = entry;
  const kind = entry.source ? at('rival').value : 'aec';
  const isShown = () => entry === current && entry.aec === aec && entry.png === png
    && (!entry.source || at('rival').value === kind);
  let left = { url: entry.shown, name: `aec, ${kilobytes(aec.size)} kB` };
  const right = left, notes = [`${width} × ${height} pixels, decoded in ${entry.decoding.toFixed(2)} s.`];
  if (entry.source) left = { url: entry.original, name: `Original, ${kilobytes(entry.file.size)} kB` };
  if (entry.notes?.length) notes.push(`Changed or left out: ${entry.notes.join(', ')}.`);
  at('notes').textContent = notes.join(' ');
  const draw = () => {
    const rows = [figure(`aec, quality ${entry.header.quality}`, aec, pixels,
      { psnr: entry.psnr, score: entry.score, time: entry.encoding })];
    if (entry.source) rows.unshift(figure('Original', entry.file, pixels, {}));
    const made = entry.rivals[kind];
    if (made) {
      left = { url: made.url, name: `${NAMES[kind]}, ${kilobytes(made.file.size)} kB` };
      rows.push(figure(`${NAMES[kind]}, quality ${made.quality}`, made.file, pixels, made));
    }
    at('figures').replaceChildren(...rows);
    return viewer.show(width, height, left, right);
  };
  await draw();
  if (!entry.source) return;
  try {
    if (entry.psnr === undefined) {
      const found = await backend.compare(entry.source, png);
      if (entry.png === png) Object.assign(entry, found);
      if (isShown()) await draw();
    }
    if (kind === 'original' || entry.rivals[kind] || !isShown()) return;
    const told = (p) => { if (isShown()) working(`Making ${NAMES[kind]}, ${Math.round(100 * p)} %`); };
    told(0);
    const made = await backend.rival(entry.file, kind, aec.size, told);
    if (made.psnr === undefined) Object.assign(made, await backend.compare(entry.source, made.file));
    if (entry.aec !== aec) return;
    entry.rivals[kind] = { ...made, url: entry.url(made.file) };
    if (isShown()) await draw();
  } catch (error) {
    if (isShown()) [at('error').hidden, at('error').textContent] = [false, error.message];
  }
  if (isShown()) busy(entry);
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function add(files) {
  const fresh = [...files].map((file) => new Entry(file));
  entries.push(...fresh);
  if (fresh.length && (!current || entries.length === fresh.length)) current = fresh[0];
  list();
  show();
  run();
}

at('files').addEventListener('change', (event) => { add(event.target.files); event.target.value = ''; });
at('quality').addEventListener('input', () => {
  at('target').value = '';
  at('quality-is').textContent = at('quality').value;
});
for (const id of ['quality', 'target', 'model', 'metadata']) at(id).addEventListener('change', changed);
at('rival').addEventListener('change', show);
at('clear').addEventListener('click', () => remove([...entries]));
at('save').addEventListener('click', () => save(current.aec, aecName(current.name)));
at('save-png').addEventListener('click', () => save(current.png, aecName(current.name).replace(/aec$/, 'png')));
at('all').addEventListener('click', async () => {
  const done = entries.filter((e) => e.state === 'done'), names = distinct(done.map((e) => aecName(e.name)));
  save(zip(await Promise.all(done.map(async (e, i) =>
    [names[i], new Uint8Array(await e.aec.arrayBuffer())]))), 'aecompress.zip');
});
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at('drop').classList.toggle('over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop') add(event.dataTransfer.files);
  });
}
document.addEventListener('paste', (event) => add(event.clipboardData.files));

try {
  const found = await backend.prepare();
  at('model').replaceChildren(...found.models.map((name) => new Option(name, name, name === found.model, name === found.model)));
  at('model-row').hidden = found.models.length < 2;
  at('rival').replaceChildren(...['original', ...found.rivals].map((kind) => new Option(NAMES[kind], kind)));
  at('quality').value = found.quality;
  at('quality-is').textContent = found.quality;
  at('promise').textContent = backend.promise;
  at('status').textContent = 'Ready.';
  found.later?.then((text) => { if (text) at('status').textContent = text; });
  document.documentElement.dataset.ready = 'yes';
  if (found.files.length) add(found.files);
  else run();
} catch (error) {
  at('status').textContent = error.message;
}
