// The conformance set and the bad files, through whatever has the functions of index.js:
// Node and browsers run the same.

export const BAD = /^\| `(.+?)\.aec` \| .+ \| (\w+) \|$/gm;

/** Names of conformance files, of bad files, and what is to come of them. */
export async function lists(read) {
  const text = async (path) => new TextDecoder().decode(await read(path));
  const { cases } = JSON.parse(await text('tests/conformance/cases.json'));
  const bad = [...(await text('tests/data/bad/README.md')).matchAll(BAD)];
  return { cases, bad: bad.map(([, name, error]) => ({ name, error })) };
}

/** What is wrong with one file of the conformance set, as a text; null if nothing is. */
export async function conform(codec, readPng, read, one) {
  const data = await read(`tests/conformance/files/${one.name}.aec`);
  const header = await codec.info(data);
  for (const name of ['width', 'height', 'colour', 'quality']) {
    if (header[name] !== one[name]) return `${name} ${header[name]}`;
  }
  const { crc } = await codec.symbols(data);
  const found = crc.toString(16).padStart(8, '0');
  if (found !== one.symbol_crc) return `symbols ${found}, not ${one.symbol_crc}`;
  if (!one.tolerance) return null; // no reference picture
  const [image, wanted] = [await codec.decode(data),
    await readPng(await read(`tests/conformance/files/${one.name}.png`))];
  if (image.width !== wanted.width || image.height !== wanted.height) return 'size';
  const { channels, samples } = wanted, colours = channels - (channels % 2 ? 0 : 1);
  let [most, differ, n] = [0, 0, 0];
  for (let i = 0; i < image.width * image.height; i++) {
    for (let c = 0; c < 3; c++) {
      const d = Math.abs(image.data[4 * i + c] - samples[i * channels + (colours > 1 ? c : 0)]);
      most = Math.max(most, d);
      if (c < colours) [n, differ] = [n + 1, differ + (d > 0)];
    }
    const alpha = channels % 2 ? 255 : samples[i * channels + colours];
    if (image.data[4 * i + 3] !== alpha) return `alpha of pixel ${i}`;
  }
  const allowed = Math.max(1, one.tolerance.share * n);
  return most <= one.tolerance.levels && differ <= allowed ? null
    : `${differ} of ${n} samples differ, by up to ${most}`;
}

/** Class of the error that a bad file ends in; null if it ends in none. */
export async function refused(codec, read, { name }) {
  const data = await read(`tests/data/bad/${name}.aec`);
  return codec.decode(data).then(() => null, (error) => error.name);
}
