// The worker: calls of index.js to a Codec.

import { answer } from './calls.js';
import { Codec } from './codec.js';

let codec;
const call = (name) => (first, more) => codec[name](first, more);

answer({
  configure(options) { codec = new Codec(options); },
  ...Object.fromEntries(['decode', 'encode', 'list', 'prepare', 'symbols', 'toPng']
    .map((name) => [name, call(name)])),
});
