// Calls of functions in a worker: one message each way, and progress between.

import { packed, unpacked } from './errors.js';

/**
 * What calls the functions of a worker.
 * @param {Worker} worker whose module says `answer`
 * @returns {Function} `await call(name, first, { progress, ...more })`
 */
export function caller(worker) {
  const waiting = new Map();
  let next = 0;
  worker.onmessage = ({ data: { id, result, error, progress } }) => {
    const call = waiting.get(id);
    if (progress !== undefined) {
      call.progress(progress);
      return;
    }
    waiting.delete(id);
    if (error) call.reject(unpacked(error));
    else call.resolve(result);
  };
  worker.onerror = (event) => {
    for (const call of waiting.values()) call.reject(new Error(`worker: ${event.message}`));
    waiting.clear();
  };
  return (name, first, { progress, ...more } = {}) => new Promise((resolve, reject) => {
    waiting.set(++next, { resolve, reject, progress });
    worker.postMessage({ id: next, name, first, more, told: !!progress });
  });
}

/**
 * In a worker: answer calls.
 * @param {Object<string, Function>} functions of (first, more), by name
 */
export function answer(functions) {
  onmessage = async ({ data: { id, name, first, more, told } }) => {
    const progress = told ? (share) => postMessage({ id, progress: share }) : undefined;
    try {
      const result = await functions[name](first, { ...more, progress });
      const buffers = [result, result?.data, result?.z, result?.s]
        .filter(ArrayBuffer.isView).map((a) => a.buffer);
      postMessage({ id, result }, buffers);
    } catch (error) {
      postMessage({ id, error: packed(error) });
    }
  };
}
