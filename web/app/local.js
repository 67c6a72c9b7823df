// backend.js of `aecompress --view`: the program that serves the page does the work.

import * as errors from '../errors.js';

export const promise = 'They stay on this machine: a program here does the work.';

const SHOWN = /^image\/(png|jpeg|webp|gif|avif|svg\+xml)$/; // what browsers show

async function ask(path, body) {
  const response = await fetch(`../${path}`, body && { method: 'POST', body }).catch(() => {
    throw new Error('the program that serves this page has ended');
  });
  if (response.status === 422) throw errors.unpacked(await response.json());
  if (!response.ok) throw new Error(await response.text());
  const said = response.headers.get('X-Said');
  return { ...(said && JSON.parse(decodeURIComponent(said))), blob: await response.blob() };
}

export async function prepare() {
  const found = JSON.parse(await (await ask('start')).blob.text());
  const files = found.files.map(async (name, i) => new File([(await ask(`file/${i}`)).blob], name));
  return { ...found, files: await Promise.all(files) };
}

/** What the browser is to show of a picture file. */
export async function original(file) {
  if (SHOWN.test(file.type)) return file;
  return (await ask('original', file)).blob;
}

export async function encode(file, { quality, size, model, metadata }) {
  const query = new URLSearchParams({ quality, size, model, metadata });
  const { blob, ...said } = await ask(`encode?${query}`, file);
  return { file: blob, psnr: Infinity, ...said };
}

export async function decode(file) {
  const { blob, ...header } = await ask('decode', file);
  return { png: blob, header };
}

export async function rival(file, kind, size) {
  const { blob, ...said } = await ask(`rival?${new URLSearchParams({ kind, size })}`, file);
  return { file: blob, psnr: Infinity, ...said };
}
