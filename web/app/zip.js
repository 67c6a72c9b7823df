// A ZIP file of files that are small already: stored, not packed.

import { crc32 } from '../container.js';

/**
 * @param {[string, Uint8Array][]} files names, all different, and bytes
 * @returns {Blob}
 */
export function zip(files) {
  const parts = [], central = [];
  let at = 0;
  for (const [name, bytes] of files) {
    const title = new TextEncoder().encode(name), crc = crc32(bytes);
    const head = (size, signature, skip) => {
      const view = new DataView(new ArrayBuffer(size));
      view.setUint32(0, signature, true);
      view.setUint16(skip, 20, true);
      view.setUint16(skip + 2, 0x800, true); // the name is UTF-8
      view.setUint16(skip + 8, 0x21, true); // 1 January 1980
      view.setUint32(skip + 10, crc, true);
      view.setUint32(skip + 14, bytes.length, true);
      view.setUint32(skip + 18, bytes.length, true);
      view.setUint16(skip + 22, title.length, true);
      return view;
    };
    const local = head(30, 0x04034b50, 4), entry = head(46, 0x02014b50, 6);
    entry.setUint16(4, 20, true);
    entry.setUint32(42, at, true);
    parts.push(local, title, bytes);
    central.push(entry, title);
    at += 30 + title.length + bytes.length;
  }
  const size = central.reduce((n, p) => n + p.byteLength, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, at, true);
  return new Blob([...parts, ...central, end], { type: 'application/zip' });
}

/** Names that differ, as those of files in one folder do. */
export function distinct(names) {
  const seen = new Set();
  return names.map((name) => {
    const [, stem, end] = /^(.*?)(\.[^.]*)?$/s.exec(name);
    let found = name;
    for (let n = 2; seen.has(found.toLowerCase()); n++) found = `${stem}-${n}${end ?? ''}`;
    seen.add(found.toLowerCase());
    return found;
  });
}
