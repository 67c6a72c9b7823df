// The worker: calls of index.js to a Codec, one message each way and progress between.

import { Codec } from './codec.js';
import { packed } from './errors.js';

let codec;

onmessage = async ({ data: { id, options, call, args } }) => {
  if (options) {
    codec = new Codec(options);
    return;
  }
  const [first, more] = args;
  const progress = more?.progress ? (share) => postMessage({ id, progress: share }) : undefined;
  try {
    const result = await codec[call](first, { ...more, progress });
    const buffers = [result, result?.data, result?.z, result?.s]
      .filter(ArrayBuffer.isView).map((a) => a.buffer);
    postMessage({ id, result }, buffers);
  } catch (error) {
    postMessage({ id, error: packed(error) });
  }
};
