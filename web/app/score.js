// How like two pictures are: PSNR, and SSIMULACRA 2 (version 2.1, by Cloudinary), which
// says how alike they look.
//
// The second compares in a perceptual colour space (XYB) at six scales by three maps:
// structural difference, artefacts (edges that only the copy has) and lost detail. Each
// counts by its mean and by its 4-norm. codec/search/ssimulacra2.py is the same in Python.

const OPSIN = [[0.30, 0.622, 0.078], [0.23, 0.692, 0.078],
  [0.24342268924547819, 0.20476744424496821, 0.5518098665095536]];
const BIAS = 0.0037930732552754493, ROOT = Math.cbrt(BIAS), C = 0.0009;
const [N_SCALES, MIN_SIDE, REACH] = [6, 8, 5];
// Rows that are compared at once, and what blurs reach beyond them at the coarsest scale.
const [STEP, MARGIN] = [512, 256];
const taps = Array.from({ length: REACH + 1 }, (_, k) => Math.exp(-(k ** 2) / 4.5));
const TAPS = taps.map((t) => t / (2 * taps.reduce((a, b) => a + b) - taps[0]));

const LIGHT = Float32Array.from({ length: 256 }, (_, v) => (v <= 0.04045 * 255
  ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));

// By channel (X, Y, B) and scale: means of (difference, artefact, lost), then 4-norms.
const WEIGHTS = [
  0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0,
  0, 0.0004371155730107379, 0,
  1.1041726426657346, 0.00066284834129271, 0.00015231632783718752,
  0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0,
  0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0,
  0.0007289346991508072, 0.9677937080626833, 0,
  0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053,
  0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0,
  0, 0, 0, 7.466890328078848, 0, 17.445833984131262,
  0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264,
  225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
  176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485536923833408,
  0, 0, 0, 34.77906344483772, 44.835625328877896, 0,
  0, 0, 0, 0, 0, 0,
  0, 0.0008680556573291698, 0, 0, 0, 0,
  0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0,
  0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0,
  0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0,
  95.1080498811086, 0.9863978034400682, 0.9834382792465353,
  0.0012286405048278493, 171.2667255897307, 0.9807858872435379,
  0, 0, 0, 0.0005130064588990679, 0, 0.00010854057858411537];

/** Gaussian of sigma 1.5: rows mirror beyond the borders, columns are zero there. */
function blur(plane, w, h) {
  const half = new Float32Array(plane.length), out = new Float32Array(plane.length);
  const row = new Float32Array(w + 2 * REACH), [t0, t1, t2, t3, t4, t5] = TAPS;
  for (let y = 0; y < h; y++) {
    row.set(plane.subarray(y * w, (y + 1) * w), REACH);
    for (let x = 0, at = y * w; x < w; x++, at++) {
      half[at] = t5 * (row[x] + row[x + 10]) + t4 * (row[x + 1] + row[x + 9])
        + t3 * (row[x + 2] + row[x + 8]) + t2 * (row[x + 3] + row[x + 7])
        + t1 * (row[x + 4] + row[x + 6]) + t0 * row[x + 5];
    }
  }
  const mirrored = (y) => w * (y < 0 ? -1 - y : y >= h ? 2 * h - 1 - y : y);
  for (let y = 0; y < h; y++) {
    const [a, b, c, d, e, , f, g, i, j, k] =
      Array.from({ length: 11 }, (_, n) => mirrored(y + n - REACH));
    for (let x = 0, at = y * w; x < w; x++, at++) {
      out[at] = t5 * (half[a + x] + half[k + x]) + t4 * (half[b + x] + half[j + x])
        + t3 * (half[c + x] + half[i + x]) + t2 * (half[d + x] + half[g + x])
        + t1 * (half[e + x] + half[f + x]) + t0 * half[at];
    }
  }
  return out;
}

/** Linear light of rows of an ImageData: three planes. */
function light({ data, width }, first, last) {
  const at = 4 * width * first, n = width * (last - first);
  return [0, 1, 2].map((c) => {
    const plane = new Float32Array(n);
    for (let i = 0; i < n; i++) plane[i] = LIGHT[data[at + 4 * i + c]];
    return plane;
  });
}

/** Means of 2 x 2, whose last row and column repeat where there is an odd one. */
function halved(plane, w, h) {
  const [w2, h2] = [(w + 1) >> 1, (h + 1) >> 1], out = new Float32Array(w2 * h2);
  for (let y = 0; y < h2; y++) {
    const a = 2 * y * w, b = Math.min(2 * y + 1, h - 1) * w;
    for (let x = 0; x < w2; x++) {
      const l = 2 * x, r = Math.min(l + 1, w - 1);
      out[y * w2 + x] = 0.25 * (plane[a + l] + plane[a + r] + plane[b + l] + plane[b + r]);
    }
  }
  return out;
}

/** X, Y and B - Y of linear light, with what makes them positive. */
function xyb([r, g, b]) {
  const [x, y, z] = [r, g, b].map((p) => new Float32Array(p.length));
  const [[l0, l1, l2], [m0, m1, m2], [s0, s1, s2]] = OPSIN;
  for (let i = 0; i < r.length; i++) {
    const l = Math.cbrt(l0 * r[i] + l1 * g[i] + l2 * b[i] + BIAS);
    const m = Math.cbrt(m0 * r[i] + m1 * g[i] + m2 * b[i] + BIAS);
    const s = Math.cbrt(s0 * r[i] + s1 * g[i] + s2 * b[i] + BIAS);
    x[i] = 7 * (l - m) + 0.42;
    y[i] = (l + m) / 2 - ROOT + 0.01;
    z[i] = s - (l + m) / 2 + 0.55;
  }
  return [x, y, z];
}

function product(a, b) {
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = a[i] * b[i];
  return out;
}

/** Add the maps' values, and their fourth powers, of rows from..to of a plane. */
function compare(a, b, w, h, from, to, sums) {
  const [ma, mb, aa, bb, ab] = [a, b, product(a, a), product(b, b), product(a, b)]
    .map((p) => blur(p, w, h));
  for (let i = from * w; i < to * w; i++) {
    const p = ma[i], q = mb[i], far = (p - q) * (p - q);
    const like = (2 * (ab[i] - p * q) + C) / (aa[i] - p * p + bb[i] - q * q + C);
    const edge = (1 + Math.abs(b[i] - q)) / (1 + Math.abs(a[i] - p)) - 1;
    const d = Math.max(0, 1 - (1 - far) * like), n = edge > 0 ? 1 : 2;
    sums[0] += d;
    sums[3] += d * d * d * d;
    sums[n] += Math.abs(edge);
    sums[3 + n] += edge * edge * edge * edge;
  }
}

/**
 * SSIMULACRA 2 of two ImageData of one size, without their alpha.
 * @returns {number} 100 for equal pictures; 90 cannot be told apart, 70 is good, 50
 *   medium; NaN under 8 pixels a side
 */
export function score(original, copy) {
  const { width, height } = original;
  if (Math.min(width, height) < MIN_SIDE) return NaN;
  const at = (n, scale) => Math.ceil(n / 2 ** scale);
  let scales = 0;
  while (scales < N_SCALES && at(Math.min(width, height), scales) >= MIN_SIDE) scales++;
  // Where scales are missing, the weights move on to other ones, as the original has it.
  const weights = (channel, scale) => WEIGHTS.slice(6 * (channel * scales + scale)).slice(0, 6);
  const sums = Array.from({ length: 3 * scales }, () => new Float64Array(6));
  for (let lo = 0; lo < height; lo += STEP) {
    const hi = Math.min(height, lo + STEP), first = Math.max(0, lo - MARGIN);
    const last = Math.min(height, hi + MARGIN);
    let planes = [original, copy].map((image) => light(image, first, last));
    for (let scale = 0; scale < scales; scale++) {
      const [w, h] = [at(width, scale), at(last - first, scale)];
      if (scale) {
        planes = planes.map((all) => all.map((p) => halved(p, at(width, scale - 1),
          at(last - first, scale - 1))));
      }
      const [a, b] = planes.map(xyb);
      for (let channel = 0; channel < 3; channel++) {
        if (!weights(channel, scale).some(Boolean)) continue;
        compare(a[channel], b[channel], w, h, (lo - first) >> scale, at(hi - first, scale),
          sums[channel * scales + scale]);
      }
    }
  }
  let s = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (let scale = 0; scale < scales; scale++) {
      const n = at(width, scale) * at(height, scale);
      weights(channel, scale).forEach((weight, i) => {
        const mean = sums[channel * scales + scale][i] / n;
        s += 0.9562382616834844 * weight * (i < 3 ? mean : mean ** 0.25);
      });
    }
  }
  s = s * (2.326765642916932 + s * (-0.020884521182843837 + s * 6.248496625763138e-05));
  return 100 - 10 * Math.max(0, s) ** 0.6276336467831387;
}

/** PSNR of two ImageData of one size, dB, without their alpha; infinite if they are equal. */
export function psnr({ data: x }, { data: y }) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) if ((i & 3) < 3) sum += (x[i] - y[i]) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / (0.75 * x.length)));
}
