// Which colour space of a canvas an ICC profile is, as far as there is one.

import { ascii, viewOf } from './container.js';

// Red, green and blue of Display P3, as profiles hold them (adapted to D50).
const P3 = [[0.5151, 0.2412], [0.292, 0.6922], [0.1571, 0.0666]];

/**
 * @param {Uint8Array | undefined} icc
 * @returns {'srgb' | 'display-p3'} sRGB for all profiles but Display P3: `toPng` shows
 *   other ones right, as the browser then knows the whole profile
 */
export function colorSpaceOf(icc) {
  if (!icc || icc.length < 132) return 'srgb';
  const view = viewOf(icc), tags = {};
  for (let i = 0, at = 132; i < view.getUint32(128) && at + 12 <= icc.length; i++, at += 12) {
    tags[ascii(icc.subarray(at, at + 4))] = view.getUint32(at + 4);
  }
  const isP3 = ['rXYZ', 'gXYZ', 'bXYZ'].every((tag, i) => tags[tag] + 20 <= icc.length
    && P3[i].every((v, j) => Math.abs(view.getInt32(tags[tag] + 8 + 4 * j) / 65536 - v) < 0.003));
  return isP3 ? 'display-p3' : 'srgb';
}
