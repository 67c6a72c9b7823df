/* The exact path of the .aec format; the contracts are in aec.h, the rules in
 * docs/format.md, whose names are used here.
 *
 * Products of a matrix with a vector are sums of a few of its columns, as most numbers
 * in the vectors are zero: a vector is a list of entries. Sums run in float32, which
 * holds every integer below 2^24; aec_model_init proves that none is larger. */

#include "aec.h"

#if defined(__wasm__) && !defined(__wasi__) && !defined(__EMSCRIPTEN__)
/* No C library there: the compiler has instructions for these (-mbulk-memory). */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
#else
#include <string.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define VECTORS 1
#define INLINE static inline __attribute__((always_inline))
#else
#define VECTORS 0
#define INLINE static inline
#endif

enum {
    MAGIC = 0x54434541, /* "AECT" */
    HEAD = 16,          /* int32 before the tables */
    ROWS = 64,          /* scale indices */
    LANES = 16,         /* outputs are padded to a multiple of this */
    WIDEST = 6,         /* times LANES: outputs that are summed at once */
    BATCH = 64,         /* vectors that go through a matrix before the next one */
    MAX_PARTS = 63,
    SIDE = 8,           /* of a slab at most, in positions of z: 32 cells */
    LEVEL_ONE = 32,
    MAX_SYMBOL = 32767,
    BUCKETS = 1024,     /* of 2^24, for finding an index */
    NUMBER = 26,        /* bits of a symbol's number in its step; its row is above */
    /* Alphabets of a record: rows are 0..63, then */
    UNIFORM = 64,       /* + n: of 2^(n + 1) */
    SIXTEEN = 80,       /* of 16 */
    Z = 128             /* + channel */
};
#define TOTAL ((uint32_t)1 << 24)
#define NUMBERS (((uint32_t)1 << NUMBER) - 1)

typedef struct {
    const float *w; /* by blocks of outputs: (inputs, outputs of the block) */
    int32_t in, out;
} matrix;

/* An input that is not zero: its number and its value. */
typedef struct {
    uint32_t at;
    float x;
} entry;

/* Functions that exist once for each kind of processor. */
typedef struct {
    void (*multiply)(const matrix *m, int32_t n, const entry *lists, size_t pitch,
                     const int32_t *counts, int32_t *out, size_t out_pitch);
    void (*make_rows)(aec_slab *b);
    aec_status (*read_step)(aec_slab *b, aec_reader *r);
} functions;

typedef struct {
    int32_t pass, first, n, cut, last;
} step;

struct aec_model {
    int32_t nz, m, k, hyper, z_max, bands, row_width, n_parts, n_steps;
    int32_t widest_part;
    step steps[4 + MAX_PARTS];
    matrix w1, w2[2][16], c[4], d[MAX_PARTS];
    const functions *run;
    int32_t floor[100]; /* rows below are of symbols that are zero and say nothing */
    const int32_t *b1, *b2, *bias;
    const uint32_t *z_freq, *z_min;
    const uint32_t *sums[ROWS]; /* c[0..n] of each row; NULL: never coded */
    int32_t row_max[ROWS];
    uint16_t expected[ROWS], (*bucket)[BUCKETS];
    uint8_t z_band[100], skip[100], level[256];
    uint32_t (*crc)[256]; /* 16 */
};

/* ---- Memory --------------------------------------------------------------- */

/* Hands out parts of one run of memory; without any it only adds up. */
typedef struct {
    uint8_t *base;
    uint64_t used;
} arena;

static void *take(arena *a, uint64_t n, size_t size)
{
    void *p = a->base ? a->base + a->used : NULL;
    a->used += (n * size + 63) / 64 * 64;
    return p;
}

/* An arena that begins at a multiple of 64; what that takes is in `total`. */
static arena arena_at(void *memory, size_t header)
{
    uintptr_t at = (uintptr_t)memory + header;
    arena a = {(uint8_t *)memory + header + (64 - at % 64) % 64, 0};
    return a;
}

static const functions *best_functions(void);

static size_t total(uint64_t header, uint64_t used)
{
    uint64_t bytes = header + used + 64;
    return bytes > SIZE_MAX / 2 ? 0 : (size_t)bytes;
}

/* ---- Products ------------------------------------------------------------- */

static int32_t padded(int32_t n) { return (n + LANES - 1) / LANES * LANES; }

#if VECTORS
typedef float lane __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t lane_of_int __attribute__((vector_size(4 * LANES), aligned(4)));

/* Columns of w for the entries of a list, summed: `lanes` is a constant. */
INLINE void sum_columns(const float *w, const entry *list, int32_t n, int32_t *out,
                        const int lanes)
{
    lane a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0}, a4 = {0}, a5 = {0};
    for (int32_t i = 0; i < n; i++) {
        const lane *r = (const lane *)(w + (size_t)list[i].at * LANES * lanes);
        float x = list[i].x;
        a0 += r[0] * x;
        if (lanes > 1) a1 += r[1] * x;
        if (lanes > 2) a2 += r[2] * x;
        if (lanes > 3) a3 += r[3] * x;
        if (lanes > 4) a4 += r[4] * x;
        if (lanes > 5) a5 += r[5] * x;
    }
    lane_of_int *o = (lane_of_int *)out;
    o[0] = __builtin_convertvector(a0, lane_of_int);
    if (lanes > 1) o[1] = __builtin_convertvector(a1, lane_of_int);
    if (lanes > 2) o[2] = __builtin_convertvector(a2, lane_of_int);
    if (lanes > 3) o[3] = __builtin_convertvector(a3, lane_of_int);
    if (lanes > 4) o[4] = __builtin_convertvector(a4, lane_of_int);
    if (lanes > 5) o[5] = __builtin_convertvector(a5, lane_of_int);
}
#else
INLINE void sum_columns(const float *w, const entry *list, int32_t n, int32_t *out,
                        const int lanes)
{
    float a[WIDEST * LANES] = {0};
    for (int32_t i = 0; i < n; i++) {
        const float *r = w + (size_t)list[i].at * LANES * lanes;
        float x = list[i].x;
        for (int j = 0; j < LANES * lanes; j++)
            a[j] += r[j] * x;
    }
    for (int j = 0; j < LANES * lanes; j++)
        out[j] = (int32_t)a[j];
}
#endif

/* A matrix times n vectors; out has padded(m->out) numbers of each. */
INLINE void multiply_any(const matrix *m, int32_t n, const entry *lists, size_t pitch,
                         const int32_t *counts, int32_t *out, size_t out_pitch)
{
    const float *w = m->w;
    for (int32_t first = 0; first < m->out; first += WIDEST * LANES) {
        int32_t lanes = padded(m->out - first) / LANES;
        if (lanes > WIDEST) lanes = WIDEST;
        for (int32_t v = 0; v < n; v++) {
            const entry *list = lists + v * pitch;
            int32_t *to = out + v * out_pitch + first;
            switch (lanes) {
            case 1: sum_columns(w, list, counts[v], to, 1); break;
            case 2: sum_columns(w, list, counts[v], to, 2); break;
            case 3: sum_columns(w, list, counts[v], to, 3); break;
            case 4: sum_columns(w, list, counts[v], to, 4); break;
            case 5: sum_columns(w, list, counts[v], to, 5); break;
            default: sum_columns(w, list, counts[v], to, 6); break;
            }
        }
        w += (size_t)m->in * lanes * LANES;
    }
}

/* A list of the bytes that are not zero, numbered from `first` on; returns its end. */
INLINE entry *list_bytes(entry *list, const uint8_t *x, int32_t n, int32_t first)
{
    int32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, x + i, 8);
        if (!eight) continue;
        for (int32_t j = i; j < i + 8; j++) {
            *list = (entry){(uint32_t)(first + j), x[j]};
            list += x[j] != 0;
        }
    }
    for (; i < n; i++) {
        *list = (entry){(uint32_t)(first + i), x[i]};
        list += x[i] != 0;
    }
    return list;
}

/* ---- Model ---------------------------------------------------------------- */

/* Tables as they lie in the bytes. */
typedef struct {
    int32_t nz, m, k, hyper, z_max, row_skip, bands, row_width, n_parts;
    const uint8_t *z_band, *skip, *level;
    const uint32_t *z_freq, *z_min, *row_freq;
    const int32_t *row_max, *b1, *b2, *bias;
    const int8_t *w1, *w2, *c[4], *d[MAX_PARTS];
    const uint16_t *parts, *expected;
} tables;

static const void *next_table(const uint8_t *base, size_t size, uint64_t *at, uint64_t n,
                              size_t of)
{
    uint64_t start = *at;
    if (start > size || n * of > size - start) {
        *at = UINT64_MAX / 2;
        return base;
    }
    *at = start + (n * of + 7) / 8 * 8;
    return base + start;
}

/* Channels that part n covers, [start, end), and sees, [first, start). */
static void part_of(const tables *t, int32_t n, int32_t *first, int32_t *start, int32_t *end)
{
    *start = t->parts[n];
    *end = n + 1 < t->n_parts ? t->parts[n + 1] : t->m;
    *first = *start < t->k ? 0 : t->k;
    if (*start < t->k && *end > t->k) *end = t->k;
}

static aec_status find_tables(tables *t, size_t size, const void *bytes)
{
    int32_t head[HEAD];
    if (size < sizeof head || (uintptr_t)bytes % 8) return AEC_MODEL;
    memcpy(head, bytes, sizeof head);
    memset(t, 0, sizeof *t);
    t->nz = head[1], t->m = head[2], t->k = head[3], t->hyper = head[4];
    t->z_max = head[5], t->row_skip = head[6], t->bands = head[7];
    t->row_width = head[8], t->n_parts = head[9];
    for (int i = 10; i < HEAD; i++)
        if (head[i]) return AEC_MODEL;
    if (head[0] != MAGIC || t->nz < 1 || t->nz > 1024 || t->m < 2 || t->m > 2048 || t->k < 1
        || t->k >= t->m || t->hyper < 1 || t->hyper > 2048 || t->z_max < 1 || t->z_max > 1023
        || t->row_skip < 0 || t->row_skip >= ROWS || t->bands < 1 || t->bands > 255
        || t->row_width < 2 || t->row_width > 65534 || t->n_parts < 0 || t->n_parts > MAX_PARTS)
        return AEC_MODEL;
    uint64_t at = sizeof head, m = t->m, k = t->k, nz = t->nz, h = t->hyper;
    const uint8_t *b = bytes;
    t->z_band = next_table(b, size, &at, 100, 1);
    t->z_freq = next_table(b, size, &at, t->bands * nz * (2 * t->z_max + 1), 4);
    t->z_min = next_table(b, size, &at, t->bands, 4);
    t->row_max = next_table(b, size, &at, ROWS, 4);
    t->row_freq = next_table(b, size, &at, ROWS * (uint64_t)t->row_width, 4);
    t->skip = next_table(b, size, &at, 100, 1);
    t->level = next_table(b, size, &at, 256, 1);
    t->w1 = next_table(b, size, &at, h * 9 * nz, 1);
    t->b1 = next_table(b, size, &at, h, 4);
    t->w2 = next_table(b, size, &at, 16 * m * h, 1);
    t->b2 = next_table(b, size, &at, 16 * m, 4);
    t->bias = next_table(b, size, &at, 100 * m, 4);
    t->c[1] = next_table(b, size, &at, k * k, 1);
    t->c[2] = next_table(b, size, &at, (m - k) * 2 * k, 1);
    t->c[3] = next_table(b, size, &at, (m - k) * (m + k), 1);
    if (t->n_parts) {
        t->parts = next_table(b, size, &at, t->n_parts, 2);
        t->expected = next_table(b, size, &at, ROWS, 2);
        if (at > size) return AEC_MODEL;
        for (int32_t n = 0, before = 0; n < t->n_parts; n++) {
            int32_t p = t->parts[n], first, start, end;
            if (p <= before || p >= t->m || p == t->k) return AEC_MODEL;
            before = p;
            part_of(t, n, &first, &start, &end);
            if (end <= start) return AEC_MODEL;
            t->d[n] = next_table(b, size, &at, (uint64_t)(end - start) * (start - first), 1);
        }
    }
    return at == size ? AEC_OK : AEC_MODEL;
}

static int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

static int64_t largest(const int32_t *b, size_t n)
{
    int64_t most = 0;
    for (size_t i = 0; i < n; i++)
        if (magnitude(b[i]) > most) most = magnitude(b[i]);
    return most;
}

/* Largest sum of magnitudes in a row of (out, in). */
static int64_t worst(const int8_t *w, size_t out, size_t in)
{
    int64_t most = 0;
    for (size_t i = 0; i < out; i++) {
        int64_t sum = 0;
        for (size_t j = 0; j < in; j++)
            sum += magnitude(w[i * in + j]);
        if (sum > most) most = sum;
    }
    return most;
}

static int sums_to_total(const uint32_t *f, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!f[i]) return 0;
        sum += f[i];
    }
    return sum == TOTAL;
}

/* Section 9, and the bounds of section 7. */
static aec_status check_tables(const tables *t)
{
    const int64_t exact = TOTAL;
    int64_t top = 0, far = 0, contexts = 0;
    for (int i = 0; i < 256; i++)
        if (t->level[i] > top) top = t->level[i];
    if (top > 15) return AEC_MODEL;
    for (int q = 0; q < 100; q++)
        if (t->z_band[q] >= t->bands || t->skip[q] < t->row_skip || t->skip[q] >= ROWS)
            return AEC_MODEL;
    size_t n = 2 * (size_t)t->z_max + 1;
    for (size_t i = 0; i < (size_t)t->bands * t->nz; i++)
        if (!sums_to_total(t->z_freq + i * n, n)) return AEC_MODEL;
    for (int r = t->row_skip; r < ROWS; r++) {
        int64_t alphabet = 2 * (int64_t)t->row_max[r] + 2;
        if (alphabet < 2 || alphabet > t->row_width
            || !sums_to_total(t->row_freq + (size_t)r * t->row_width, (size_t)alphabet))
            return AEC_MODEL;
    }
    if (worst(t->w1, t->hyper, 9 * (size_t)t->nz) * t->z_max + largest(t->b1, t->hyper) >= exact
        || worst(t->w2, 16 * (size_t)t->m, t->hyper) * 255 + largest(t->b2, 16 * (size_t)t->m)
               + largest(t->bias, 100 * (size_t)t->m) >= exact)
        return AEC_MODEL;
    for (int p = 1; p < 4; p++) {
        int64_t w = worst(t->c[p], p < 2 ? t->k : t->m - t->k,
                          p < 2 ? t->k : p < 3 ? 2 * t->k : t->m + t->k);
        if (w > contexts) contexts = w;
    }
    if (contexts * 4 * top >= exact) return AEC_MODEL;
    for (int r = 0; t->n_parts && r < ROWS; r++)
        if (t->expected[r] > far) far = t->expected[r];
    if (LEVEL_ONE * top > far) far = LEVEL_ONE * top;
    if (t->n_parts && far > 32767) return AEC_MODEL;
    for (int32_t i = 0; i < t->n_parts; i++) {
        int32_t first, start, end;
        part_of(t, i, &first, &start, &end);
        if (worst(t->d[i], end - start, start - first) * far >= exact - (1 << 17))
            return AEC_MODEL;
    }
    return AEC_OK;
}

/* Bytes of (out, in) -> floats by blocks of outputs; padding is zero. */
static matrix make_matrix(arena *a, const int8_t *w, int32_t out, int32_t in)
{
    float *to = take(a, (uint64_t)padded(out) * in, sizeof *to);
    matrix m = {to, in, out};
    if (!to) return m;
    for (int32_t first = 0; first < out; first += WIDEST * LANES) {
        int32_t width = padded(out - first);
        if (width > WIDEST * LANES) width = WIDEST * LANES;
        for (int32_t i = 0; i < in; i++)
            for (int32_t o = first; o < first + width; o++)
                *to++ = o < out ? w[(size_t)o * in + i] : 0;
    }
    return m;
}

static void *copied(arena *a, const void *from, uint64_t n, size_t of)
{
    void *to = take(a, n, of);
    if (to) memcpy(to, from, (size_t)n * of);
    return to;
}

static void make_steps(aec_model *s, const tables *t)
{
    for (int pass = 0; pass < 4; pass++) {
        int32_t low = pass < 2 ? 0 : t->k, high = pass < 2 ? t->k : t->m;
        step one = {pass, low, 0, -1, 0};
        for (int32_t n = 0; n < t->n_parts; n++) {
            int32_t p = t->parts[n];
            if (p <= low || p >= high) continue;
            one.n = p - one.first;
            s->steps[s->n_steps++] = one;
            one.first = p, one.cut = n;
        }
        one.n = high - one.first, one.last = 1;
        s->steps[s->n_steps++] = one;
    }
    for (int32_t i = 0; i < s->n_steps; i++)
        if (s->steps[i].n > s->widest_part) s->widest_part = s->steps[i].n;
}

static void make_floors(aec_model *s)
{
    int row = 0;
    while (!s->level[0] && row < ROWS && !s->expected[row])
        row++;
    for (int q = 0; q < 100; q++)
        s->floor[q] = row < s->skip[q] ? row : s->skip[q];
}

static void make_alphabets(aec_model *s, arena *a, const tables *t)
{
    s->bucket = take(a, ROWS, sizeof *s->bucket);
    for (int r = t->row_skip; r < ROWS; r++) {
        int32_t n = 2 * t->row_max[r] + 2, bucket = 0;
        uint32_t *sums = take(a, (uint64_t)n + 1, sizeof *sums);
        s->sums[r] = sums;
        if (!sums) continue;
        sums[0] = 0;
        for (int32_t i = 0; i < n; i++) {
            sums[i + 1] = sums[i] + t->row_freq[(size_t)r * t->row_width + i];
            while (bucket < BUCKETS && (uint32_t)bucket * (TOTAL / BUCKETS) < sums[i + 1])
                s->bucket[r][bucket++] = (uint16_t)i;
        }
    }
}

static void make_crc(aec_model *s, arena *a)
{
    s->crc = take(a, 16, sizeof *s->crc);
    if (!s->crc) return;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
        s->crc[0][i] = c;
    }
    for (int n = 1; n < 16; n++)
        for (int i = 0; i < 256; i++)
            s->crc[n][i] = s->crc[n - 1][i] >> 8 ^ s->crc[0][s->crc[n - 1][i] & 255];
}

static void make_model(aec_model *s, arena *a, const tables *t)
{
    s->nz = t->nz, s->m = t->m, s->k = t->k, s->hyper = t->hyper, s->z_max = t->z_max;
    s->bands = t->bands, s->row_width = t->row_width, s->n_parts = t->n_parts;
    s->z_freq = copied(a, t->z_freq, (uint64_t)t->bands * t->nz * (2 * t->z_max + 1), 4);
    s->z_min = copied(a, t->z_min, t->bands, 4);
    s->b1 = copied(a, t->b1, t->hyper, 4);
    s->b2 = copied(a, t->b2, 16 * (uint64_t)t->m, 4);
    s->bias = copied(a, t->bias, 100 * (uint64_t)t->m, 4);
    s->w1 = make_matrix(a, t->w1, t->hyper, 9 * t->nz);
    for (int g = 0; g < 2; g++)
        for (int o = 0; o < 16; o++)
            s->w2[g][o] = make_matrix(
                a, t->w2 + ((size_t)o * t->m + (g ? t->k : 0)) * t->hyper,
                g ? t->m - t->k : t->k, t->hyper);
    s->c[1] = make_matrix(a, t->c[1], t->k, t->k);
    s->c[2] = make_matrix(a, t->c[2], t->m - t->k, 2 * t->k);
    s->c[3] = make_matrix(a, t->c[3], t->m - t->k, t->m + t->k);
    for (int32_t n = 0; n < t->n_parts; n++) {
        int32_t first, start, end;
        part_of(t, n, &first, &start, &end);
        s->d[n] = make_matrix(a, t->d[n], end - start, start - first);
    }
    make_alphabets(s, a, t);
    make_crc(s, a);
}

size_t aec_model_bytes(size_t size, const void *bytes)
{
    tables t;
    aec_model s;
    arena a = {NULL, 0};
    if (find_tables(&t, size, bytes) || check_tables(&t)) return 0;
    memset(&s, 0, sizeof s);
    make_model(&s, &a, &t);
    return total(sizeof s, a.used);
}

aec_status aec_model_init(size_t size, void *memory, size_t tables_size, const void *bytes)
{
    tables t;
    aec_model *s = memory;
    size_t need = aec_model_bytes(tables_size, bytes);
    if (!need) return AEC_MODEL;
    if (size < need || (uintptr_t)memory % 8) return AEC_MEMORY;
    find_tables(&t, tables_size, bytes);
    memset(s, 0, sizeof *s);
    memcpy(s->z_band, t.z_band, sizeof s->z_band);
    memcpy(s->skip, t.skip, sizeof s->skip);
    memcpy(s->level, t.level, sizeof s->level);
    memcpy(s->row_max, t.row_max, sizeof s->row_max);
    if (t.n_parts) memcpy(s->expected, t.expected, sizeof s->expected);
    make_steps(s, &t);
    make_floors(s);
    arena a = arena_at(memory, sizeof *s);
    make_model(s, &a, &t);
    s->run = best_functions();
    return AEC_OK;
}

void aec_model_sizes(const aec_model *s, aec_sizes *sizes)
{
    *sizes = (aec_sizes){s->nz, s->m, s->k, s->z_max, s->n_steps};
}

/* ---- Streams -------------------------------------------------------------- */

INLINE uint32_t word(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

INLINE void refill(aec_reader *r)
{
    while (r->state >> 32 == 0 && r->left)
        r->state = r->state << 32 | word(r->bytes + (r->left -= 4));
}

/* Take off the state an index that begins at c and has frequency f. */
INLINE void advance(aec_reader *r, uint32_t q, uint32_t c, uint32_t f)
{
    r->state = (r->state >> 24) * f + q - c;
    refill(r);
}

INLINE uint32_t read_uniform(aec_reader *r, int bits)
{
    uint32_t q = r->state & (TOTAL - 1), i = q >> (24 - bits);
    advance(r, q, i << (24 - bits), (uint32_t)1 << (24 - bits));
    return i;
}

aec_status aec_reader_init(aec_reader *r, size_t size, const uint8_t *bytes)
{
    r->state = 0, r->size = r->left = size, r->bytes = bytes;
    if (size % 4) return AEC_ARGUMENT;
    if (size && !(bytes[size - 1] | bytes[size - 2] | bytes[size - 3] | bytes[size - 4]))
        return AEC_DAMAGED;
    refill(r);
    return AEC_OK;
}

aec_status aec_reader_end(const aec_reader *r)
{
    return r->state || r->left ? AEC_DAMAGED : AEC_OK;
}

void aec_writer_init(aec_writer *w, size_t capacity, uint32_t *records)
{
    w->capacity = capacity, w->used = 0, w->records = records;
}

INLINE void record(aec_writer *w, uint32_t alphabet, uint32_t index)
{
    w->records[w->used++] = alphabet << 16 | index;
}

static uint32_t sum_before(const uint32_t *f, uint32_t i)
{
    uint32_t sum = 0;
    for (uint32_t j = 0; j < i; j++)
        sum += f[j];
    return sum;
}

aec_status aec_writer_end(const aec_writer *w, const aec_model *s, int quality, size_t size,
                          uint8_t *bytes, size_t *used)
{
    uint64_t state = 0;
    size_t at = 0, width = 2 * (size_t)s->z_max + 1;
    if (quality < 1 || quality > 100) return AEC_ARGUMENT;
    if (size / 4 < w->used + 2) return AEC_MEMORY;
    const uint32_t *z_freq = s->z_freq + s->z_band[quality - 1] * s->nz * width;
    for (size_t n = w->used; n--;) {
        uint32_t alphabet = w->records[n] >> 16, i = w->records[n] & 0xffff, c, f;
        if (alphabet < ROWS) {
            c = s->sums[alphabet][i], f = s->sums[alphabet][i + 1] - c;
        } else if (alphabet < Z) {
            int bits = alphabet == SIXTEEN ? 4 : (int)alphabet - UNIFORM + 1;
            f = TOTAL >> bits, c = i * f;
        } else {
            const uint32_t *table = z_freq + (alphabet - Z) * width;
            c = sum_before(table, i), f = table[i];
        }
        if (state >> 40 >= f) {
            for (int b = 0; b < 32; b += 8)
                bytes[at++] = (uint8_t)(state >> b);
            state >>= 32;
        }
        state = (state / f << 24) + state % f + c;
    }
    for (; state; state >>= 32)
        for (int b = 0; b < 32; b += 8)
            bytes[at++] = (uint8_t)(state >> b);
    *used = at;
    return AEC_OK;
}

/* Positions of z, or 0 if there may not be so many. */
static uint64_t positions(int32_t n, int32_t hz, int32_t wz)
{
    if (n < 1 || hz < 1 || wz < 1 || n > 1 << 24 || hz > 1 << 20 || wz > 1 << 20) return 0;
    uint64_t all = (uint64_t)hz * wz;
    return all > ((uint64_t)1 << 32) / n ? 0 : all * n;
}

aec_status aec_read_z(const aec_model *s, aec_reader *r, int quality, int32_t n, int32_t hz,
                      int32_t wz, int16_t *z)
{
    uint64_t all = positions(n, hz, wz);
    size_t width = 2 * (size_t)s->z_max + 1;
    uint32_t sums[2 * 1023 + 2];
    if (quality < 1 || quality > 100 || !all) return AEC_ARGUMENT;
    int band = s->z_band[quality - 1];
    if (1000 * (8 * (uint64_t)r->size + 64) < all * s->z_min[band]) return AEC_DAMAGED;
    for (int32_t c = 0; c < s->nz; c++) {
        const uint32_t *f = s->z_freq + ((size_t)band * s->nz + c) * width;
        sums[0] = 0;
        for (size_t i = 0; i < width; i++)
            sums[i + 1] = sums[i] + f[i];
        for (uint64_t p = 0; p < all; p++) {
            uint32_t q = r->state & (TOTAL - 1), low = 0, high = (uint32_t)width;
            while (high - low > 1) {
                uint32_t middle = (low + high) / 2;
                if (sums[middle] <= q)
                    low = middle;
                else
                    high = middle;
            }
            advance(r, q, sums[low], f[low]);
            z[p * s->nz + c] = (int16_t)((int32_t)low - s->z_max);
        }
    }
    return AEC_OK;
}

aec_status aec_write_z(const aec_model *s, aec_writer *w, int quality, int32_t n, int32_t hz,
                       int32_t wz, const int16_t *z)
{
    uint64_t all = positions(n, hz, wz);
    if (quality < 1 || quality > 100 || !all) return AEC_ARGUMENT;
    if (w->capacity - w->used < all * s->nz) return AEC_MEMORY;
    for (int32_t c = 0; c < s->nz; c++)
        for (uint64_t p = 0; p < all; p++) {
            int32_t i = z[p * s->nz + c] + s->z_max;
            if (i < 0 || i > 2 * s->z_max) return AEC_ARGUMENT;
            record(w, Z + c, (uint32_t)i);
        }
    return AEC_OK;
}

static uint32_t floor_log2(uint32_t x)
{
    uint32_t n = 0;
    while (x >>= 1)
        n++;
    return n;
}

aec_status aec_write(const aec_model *s, aec_writer *w, int quality, size_t n,
                     const int16_t *symbols, const uint8_t *rows)
{
    if (quality < 1 || quality > 100 || n > NUMBERS) return AEC_ARGUMENT;
    if ((w->capacity - w->used) / 4 < n) return AEC_MEMORY;
    uint32_t ends[ROWS] = {0}, begin = 0, sum = 0, escapes = 0;
    uint32_t skip = s->skip[quality - 1];
    for (size_t i = 0; i < n; i++) {
        if (rows[i] >= ROWS || symbols[i] == -MAX_SYMBOL - 1 || (rows[i] < skip && symbols[i]))
            return AEC_ARGUMENT;
        ends[rows[i]]++;
    }
    for (uint32_t r = skip; r < ROWS; r++) {
        uint32_t count = ends[r];
        ends[r] = sum;
        sum += count;
    }
    /* Places by row first, which become records; behind them each escape's excess
     * and sign, which move on to make room for their lengths. */
    uint32_t *out = w->records + w->used, *excess = out + sum, *lengths, *signs;
    for (size_t i = 0; i < n; i++)
        if (rows[i] >= skip) out[ends[rows[i]]++] = (uint32_t)i;
    for (uint32_t r = skip; r < ROWS; begin = ends[r++]) {
        int32_t top = s->row_max[r];
        for (uint32_t i = begin; i < ends[r]; i++) {
            int32_t v = symbols[out[i]], u = (v < 0 ? -v : v) - top;
            out[i] = r << 16 | (uint32_t)(u > 0 ? 2 * top + 1 : v + top);
            if (u > 0) excess[escapes++] = (uint32_t)u << 1 | (v < 0);
        }
    }
    memmove(excess + 2 * escapes, excess, escapes * sizeof *excess);
    lengths = excess, signs = excess + escapes, excess += 2 * escapes;
    for (uint32_t i = 0; i < escapes; i++)
        lengths[i] = (uint32_t)SIXTEEN << 16 | floor_log2(excess[i] >> 1);
    for (uint32_t bits = 0; escapes && bits < 16; bits++)
        for (uint32_t i = 0; i < escapes; i++)
            if (floor_log2(excess[i] >> 1) == bits)
                *signs++ = (UNIFORM + bits) << 16 | (excess[i] - (2u << bits));
    w->used += sum + 2 * escapes;
    return AEC_OK;
}

/* ---- Slabs ---------------------------------------------------------------- */

struct aec_slab {
    const aec_model *model;
    aec_place place;
    int32_t cells, z_cells, quality, at; /* at: the step that is next */
    int32_t ready;                       /* its rows are there */
    int32_t n_places[2];
    uint32_t *places[2];   /* cells of even, odd positions */
    int16_t *symbols;
    uint8_t *levels, *rows, *zeros;
    int32_t *sums;         /* base + 16 e of the group in hand, (cells, its channels) */
    entry *hidden;         /* (z_cells, HYPER) */
    int32_t *hidden_counts;
    entry *seen;           /* x of section 7, parts: (places, channels of the group) */
    int32_t *seen_counts;
    entry *lists;          /* (BATCH, longest vector) */
    int32_t *temporary;    /* (BATCH, widest output) */
    /* Of the step in hand, those symbols whose row is not below the floor: */
    uint32_t n_coded, *coded; /* which of places x n, and their rows */
    uint32_t *coded_ends;     /* by place */
    int16_t *values;
    uint32_t *order;          /* which of `coded`, as the stream has them */
    uint32_t *escapes;        /* which of `coded` */
};

static int32_t wider(const aec_model *s) { return s->k > s->m - s->k ? s->k : s->m - s->k; }

static int32_t longest(const aec_model *s)
{
    int32_t most = 9 * s->nz;
    return most > s->m + s->k ? most : s->m + s->k;
}

static int32_t widest_output(const aec_model *s)
{
    return padded(s->hyper > wider(s) ? s->hyper : wider(s));
}

static int place_is_sound(const aec_place *p)
{
    if (!positions(p->n, p->hz, p->wz) || p->top < 0 || p->left < 0 || p->top % 4 || p->left % 4
        || p->height < 1 || p->width < 1 || p->top > 1 << 22 || p->left > 1 << 22
        || p->height > AEC_MAX_CELLS || p->width > AEC_MAX_CELLS)
        return 0;
    return p->top + p->height <= 4 * p->hz && p->left + p->width <= 4 * p->wz
           && (uint64_t)p->n * p->height * p->width <= AEC_MAX_CELLS;
}

/* `slab` holds what follows from the place; the memory is shared out. */
static void lay_out(aec_slab *b, arena *a, const aec_model *s)
{
    uint64_t cells = b->cells, half = (cells + b->place.n + 1) / 2, wide = wider(s);
    uint64_t part = half * s->widest_part;
    for (int odd = 0; odd < 2; odd++)
        b->places[odd] = take(a, half, sizeof *b->places[odd]);
    b->symbols = take(a, cells * s->m, sizeof *b->symbols);
    b->levels = take(a, cells * s->m, 1);
    b->zeros = take(a, s->m, 1);
    b->sums = take(a, cells * wide + LANES, sizeof *b->sums);
    b->hidden = take(a, (uint64_t)b->z_cells * s->hyper + 1, sizeof *b->hidden);
    b->hidden_counts = take(a, b->z_cells, sizeof *b->hidden_counts);
    /* One entry more: a list is written one beyond its end. */
    b->seen = take(a, half * wide + 1, sizeof *b->seen);
    b->seen_counts = take(a, half, sizeof *b->seen_counts);
    b->lists = take(a, (uint64_t)BATCH * longest(s) + 1, sizeof *b->lists);
    b->temporary = take(a, (uint64_t)BATCH * widest_output(s), sizeof *b->temporary);
    b->rows = take(a, part + LANES, 1);
    b->coded = take(a, part + 1, sizeof *b->coded);
    b->coded_ends = take(a, half, sizeof *b->coded_ends);
    b->values = take(a, part, sizeof *b->values);
    b->order = take(a, part, sizeof *b->order);
    b->escapes = take(a, part, sizeof *b->escapes);
}

static void measure(aec_slab *b, const aec_model *s, const aec_place *place)
{
    memset(b, 0, sizeof *b);
    b->model = s, b->place = *place;
    b->cells = place->n * place->height * place->width;
    b->z_cells = place->n * ((place->height + 3) / 4) * ((place->width + 3) / 4);
}

size_t aec_slab_bytes(const aec_model *s, const aec_place *place)
{
    aec_slab b;
    arena a = {NULL, 0};
    if (!place_is_sound(place)) return 0;
    measure(&b, s, place);
    if ((uint64_t)b.cells * s->widest_part > NUMBERS) return 0;
    lay_out(&b, &a, s);
    return total(sizeof b, a.used);
}

/* Entries of the 3 x 3 neighbourhood of a position of z; -1: a symbol out of range. */
static int32_t list_z(const aec_slab *b, const int16_t *z, int32_t row, int32_t column,
                      entry *list)
{
    int32_t nz = b->model->nz, z_max = b->model->z_max, n = 0, number = 0;
    for (int32_t r = row - 1; r <= row + 1; r++)
        for (int32_t c = column - 1; c <= column + 1; c++, number += nz) {
            if (r < 0 || r >= b->place.hz || c < 0 || c >= b->place.wz) continue;
            const int16_t *x = z + ((size_t)r * b->place.wz + c) * nz;
            for (int32_t i = 0; i < nz; i++) {
                if (x[i] > z_max || x[i] < -z_max) return -1;
                list[n] = (entry){(uint32_t)(number + i), x[i]};
                n += x[i] != 0;
            }
        }
    return n;
}

static aec_status make_hidden(aec_slab *b, const int16_t *z)
{
    const aec_model *s = b->model;
    const aec_place *p = &b->place;
    int32_t rows = (p->height + 3) / 4, columns = (p->width + 3) / 4;
    size_t pitch = longest(s), out_pitch = padded(s->hyper);
    int32_t counts[BATCH];
    for (int32_t first = 0; first < b->z_cells; first += BATCH) {
        int32_t n = b->z_cells - first < BATCH ? b->z_cells - first : BATCH;
        for (int32_t i = 0; i < n; i++) {
            int32_t at = first + i, picture = at / (rows * columns);
            counts[i] = list_z(b, z + (size_t)picture * p->hz * p->wz * s->nz,
                               p->top / 4 + at / columns % rows, p->left / 4 + at % columns,
                               b->lists + i * pitch);
            if (counts[i] < 0) return AEC_ARGUMENT;
        }
        s->run->multiply(&s->w1, n, b->lists, pitch, counts, b->temporary, out_pitch);
        for (int32_t i = 0; i < n; i++) {
            entry *list = b->hidden + (size_t)(first + i) * s->hyper, *end = list;
            const int32_t *x = b->temporary + i * out_pitch;
            for (int32_t j = 0; j < s->hyper; j++) {
                int32_t a = x[j] + s->b1[j];
                a = a < 0 ? 0 : a >> 4 > 255 ? 255 : a >> 4;
                if (a) *end++ = (entry){(uint32_t)j, (float)a};
            }
            b->hidden_counts[first + i] = (int32_t)(end - list);
        }
    }
    return AEC_OK;
}

aec_status aec_slab_init(size_t size, void *memory, const aec_model *s, const aec_place *place,
                         int quality, const int16_t *z)
{
    aec_slab *b = memory;
    size_t need = aec_slab_bytes(s, place);
    if (!need || quality < 1 || quality > 100) return AEC_ARGUMENT;
    if (size < need || (uintptr_t)memory % 8) return AEC_MEMORY;
    measure(b, s, place);
    b->quality = quality;
    arena a = arena_at(memory, sizeof *b);
    lay_out(b, &a, s);
    memset(b->symbols, 0, (size_t)b->cells * s->m * sizeof *b->symbols);
    memset(b->levels, 0, (size_t)b->cells * s->m);
    memset(b->zeros, 0, s->m);
    memset(b->sums + (size_t)b->cells * wider(s), 0, LANES * sizeof *b->sums);
    uint32_t cell = 0;
    for (int32_t row = 0; row < place->n * place->height; row++)
        for (int32_t column = 0; column < place->width; column++) {
            int32_t odd = (row % place->height + column) & 1;
            b->places[odd][b->n_places[odd]++] = cell++;
        }
    return make_hidden(b, z);
}

/* Sums of a group of channels begin with its base. */
INLINE void make_base(aec_slab *b, int group)
{
    const aec_model *s = b->model;
    const aec_place *p = &b->place;
    int32_t low = group ? s->k : 0, width = group ? s->m - s->k : s->k;
    int32_t rows = (p->height + 3) / 4, columns = (p->width + 3) / 4;
    size_t pitch = padded(width);
    const int32_t *bias = s->bias + (size_t)(b->quality - 1) * s->m + low;
    for (int32_t first = 0; first < b->z_cells; first += BATCH) {
        int32_t n = b->z_cells - first < BATCH ? b->z_cells - first : BATCH;
        for (int32_t offset = 0; offset < 16; offset++) {
            const int32_t *b2 = s->b2 + (size_t)offset * s->m + low;
            s->run->multiply(&s->w2[group][offset], n, b->hidden + (size_t)first * s->hyper,
                        s->hyper, b->hidden_counts + first, b->temporary, pitch);
            for (int32_t i = 0; i < n; i++) {
                int32_t at = first + i, picture = at / (rows * columns);
                int32_t row = at / columns % rows * 4 + offset / 4;
                int32_t column = at % columns * 4 + offset % 4;
                if (row >= p->height || column >= p->width) continue;
                int32_t *to = b->sums
                    + (((size_t)picture * p->height + row) * p->width + column) * width;
                const int32_t *x = b->temporary + i * pitch;
                for (int32_t c = 0; c < width; c++)
                    to[c] = x[c] + b2[c] + bias[c];
            }
        }
    }
}

/* N over channels first..first + n - 1 of a cell. */
INLINE void neighbour_sum(const aec_slab *b, int32_t cell, int32_t first, int32_t n, uint8_t *to)
{
    const aec_place *p = &b->place;
    int32_t m = b->model->m, row = cell / p->width % p->height, column = cell % p->width;
    const uint8_t *at = b->levels + (size_t)cell * m + first, *none = b->zeros;
    const uint8_t *up = row ? at - (size_t)p->width * m : none;
    const uint8_t *down = row + 1 < p->height ? at + (size_t)p->width * m : none;
    const uint8_t *left = column ? at - m : none;
    const uint8_t *right = column + 1 < p->width ? at + m : none;
    for (int32_t i = 0; i < n; i++)
        to[i] = (uint8_t)(up[i] + down[i] + left[i] + right[i]);
}

/* 16 e of a pass is added to the sums of its places. */
INLINE void add_context(aec_slab *b, int pass)
{
    const aec_model *s = b->model;
    int32_t k = s->k, width = pass < 2 ? k : s->m - k, counts[BATCH];
    size_t pitch = longest(s), out_pitch = padded(width);
    uint8_t near[2048];
    for (int32_t first = 0; first < b->n_places[pass & 1]; first += BATCH) {
        const uint32_t *places = b->places[pass & 1] + first;
        int32_t n = b->n_places[pass & 1] - first;
        if (n > BATCH) n = BATCH;
        for (int32_t i = 0; i < n; i++) {
            int32_t cell = (int32_t)places[i], number = 0;
            entry *list = b->lists + i * pitch, *end = list;
            if (pass > 1) {
                end = list_bytes(end, b->levels + (size_t)cell * s->m, k, 0);
                number = k;
            }
            neighbour_sum(b, cell, 0, k, near);
            end = list_bytes(end, near, k, number);
            if (pass == 3) {
                neighbour_sum(b, cell, k, s->m - k, near);
                end = list_bytes(end, near, s->m - k, 2 * k);
            }
            counts[i] = (int32_t)(end - list);
        }
        s->run->multiply(&s->c[pass], n, b->lists, pitch, counts, b->temporary, out_pitch);
        for (int32_t i = 0; i < n; i++) {
            int32_t *to = b->sums + (size_t)places[i] * width;
            const int32_t *x = b->temporary + i * out_pitch;
            for (int32_t c = 0; c < width; c++)
                to[c] += 16 * x[c];
        }
    }
}

INLINE uint8_t scale_index(int32_t x)
{
    x = x < 0 ? 0 : x;
    return (uint8_t)((x > 65535 ? 65535 : x) >> 10);
}

/* Rows of the step that is next, and which of its symbols are coded. */
INLINE void make_rows_any(aec_slab *b)
{
    const aec_model *s = b->model;
    const step *t = &s->steps[b->at];
    int32_t places = b->n_places[t->pass & 1], low = t->pass < 2 ? 0 : s->k;
    int32_t width = t->pass < 2 ? s->k : s->m - s->k, floor = s->floor[b->quality - 1];
    size_t out_pitch = padded(t->n);
    uint32_t *coded = b->coded;
    if (t->first == low) {
        if (t->pass % 2 == 0) make_base(b, t->pass / 2);
        if (t->pass) add_context(b, t->pass);
        memset(b->seen_counts, 0, (size_t)places * sizeof *b->seen_counts);
    }
    if (t->cut < 0) memset(b->temporary, 0, BATCH * out_pitch * sizeof *b->temporary);
    for (int32_t first = 0; first < places; first += BATCH) {
        int32_t n = places - first < BATCH ? places - first : BATCH;
        if (t->cut >= 0)
            s->run->multiply(&s->d[t->cut], n, b->seen + (size_t)first * width, width,
                             b->seen_counts + first, b->temporary, out_pitch);
        for (int32_t i = 0; i < n; i++) {
            uint32_t place = (uint32_t)(first + i), number = place * (uint32_t)t->n;
            const int32_t *x = b->sums + (size_t)b->places[t->pass & 1][place] * width
                               + (t->first - low);
            const int32_t *d = b->temporary + i * out_pitch;
            uint8_t *to = b->rows + number;
            /* In whole lanes: what is written beyond t->n is overwritten later. */
            for (int32_t c = 0; c < t->n; c += LANES)
                for (int32_t j = c; j < c + LANES; j++)
                    to[j] = scale_index(x[j] + d[j]);
            for (int32_t c = 0; c < t->n; c++) {
                *coded = (number + (uint32_t)c) | (uint32_t)to[c] << NUMBER;
                coded += to[c] >= floor;
            }
            b->coded_ends[place] = (uint32_t)(coded - b->coded);
        }
    }
    b->n_coded = (uint32_t)(coded - b->coded);
    b->ready = 1;
}

aec_status aec_slab_step(const aec_slab *b, aec_step *to)
{
    if (b->at >= b->model->n_steps) return AEC_ARGUMENT;
    const step *t = &b->model->steps[b->at];
    to->pass = t->pass, to->first = t->first, to->n = t->n, to->last = t->last;
    to->places = b->n_places[t->pass & 1];
    return AEC_OK;
}

aec_status aec_slab_rows(aec_slab *b, const uint8_t **rows)
{
    if (b->at >= b->model->n_steps) return AEC_ARGUMENT;
    if (!b->ready) b->model->run->make_rows(b);
    *rows = b->rows;
    return AEC_OK;
}

/* `order`: the symbols of a step as the stream has them; ends[r]: the end of row r. */
INLINE void sort_rows(aec_slab *b, uint32_t ends[ROWS])
{
    uint32_t skip = b->model->skip[b->quality - 1], sum = 0, n = b->n_coded;
    memset(ends, 0, ROWS * sizeof *ends);
    for (uint32_t i = 0; i < n; i++)
        ends[b->coded[i] >> NUMBER]++;
    for (uint32_t i = 0, r = skip; i < ROWS; i++, r = (r + 1) % ROWS) {
        uint32_t count = ends[r]; /* rows that are not coded come last */
        ends[r] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < n; i++)
        b->order[ends[b->coded[i] >> NUMBER]++] = i;
}

/* Go on after the symbols of a step, which are in `values`. */
INLINE void put(aec_slab *b)
{
    const aec_model *s = b->model;
    const step *t = &s->steps[b->at];
    int32_t width = t->pass < 2 ? s->k : s->m - s->k;
    int32_t channel = t->first - (t->pass < 2 ? 0 : s->k);
    uint32_t i = 0;
    for (int32_t place = 0; place < b->n_places[t->pass & 1]; place++) {
        size_t at = (size_t)b->places[t->pass & 1][place] * s->m + t->first;
        uint32_t number = (uint32_t)place * (uint32_t)t->n, end = b->coded_ends[place];
        entry *list = b->seen + (size_t)place * width, *next = list + b->seen_counts[place];
        for (; i < end; i++) {
            uint32_t c = (b->coded[i] & NUMBERS) - number;
            int32_t v = b->values[i], magnitude = v < 0 ? -v : v;
            int32_t level = s->level[magnitude < 255 ? magnitude : 255];
            b->symbols[at + c] = (int16_t)v;
            b->levels[at + c] = (uint8_t)level;
            if (t->last) continue;
            int32_t seen = LEVEL_ONE * level - s->expected[b->coded[i] >> NUMBER];
            /* One place is always left: the last part of a group is in no list. */
            *next = (entry){(uint32_t)channel + c, (float)seen};
            next += seen != 0;
        }
        b->seen_counts[place] = (int32_t)(next - list);
    }
    b->at++;
    b->ready = 0;
}

aec_status aec_slab_put(aec_slab *b, const int16_t *symbols)
{
    const aec_model *s = b->model;
    const uint8_t *rows;
    aec_status status = aec_slab_rows(b, &rows);
    if (status) return status;
    const step *t = &s->steps[b->at];
    uint32_t n = (uint32_t)(b->n_places[t->pass & 1] * t->n);
    uint8_t skip = s->skip[b->quality - 1];
    for (uint32_t i = 0; i < n; i++)
        if (symbols[i] == -MAX_SYMBOL - 1 || (rows[i] < skip && symbols[i])) return AEC_ARGUMENT;
    for (uint32_t i = 0; i < b->n_coded; i++)
        b->values[i] = symbols[b->coded[i] & NUMBERS];
    put(b);
    return AEC_OK;
}

/* Steps (b) and (c) of section 5. */
INLINE aec_status read_escapes(aec_slab *b, aec_reader *r, uint32_t n)
{
    const aec_model *s = b->model;
    for (uint32_t i = 0; i < n; i++)
        b->order[i] = read_uniform(r, 4); /* which is needed no more */
    for (uint32_t bits = 0; bits < 16; bits++)
        for (uint32_t i = 0; i < n; i++) {
            if (b->order[i] != bits) continue;
            uint32_t v = read_uniform(r, (int)bits + 1), at = b->escapes[i];
            int32_t x = s->row_max[b->coded[at] >> NUMBER] + (int32_t)((1u << bits) + (v >> 1));
            if (x > MAX_SYMBOL) return AEC_DAMAGED;
            b->values[at] = (int16_t)(v & 1 ? -x : x);
        }
    return AEC_OK;
}

INLINE aec_status read_step_any(aec_slab *b, aec_reader *reader)
{
    const aec_model *s = b->model;
    if (!b->ready) make_rows_any(b);
    uint32_t ends[ROWS], begin = 0, escapes = 0;
    aec_status status = AEC_OK;
    aec_reader r = *reader; /* in registers */
    sort_rows(b, ends);
    memset(b->values, 0, b->n_coded * sizeof *b->values);
    for (int row = s->skip[b->quality - 1]; row < ROWS; begin = ends[row++]) {
        const uint32_t *sums = s->sums[row];
        const uint16_t *bucket = s->bucket[row];
        int32_t top = s->row_max[row], escape = 2 * top + 1;
        uint32_t zero = sums[top], often = sums[top + 1] - zero;
        if (often < TOTAL / 2) often = 0; /* then it is not worth asking first */
        for (uint32_t i = begin; i < ends[row]; i++) {
            uint32_t q = r.state & (TOTAL - 1);
            if (q - zero < often) {
                advance(&r, q, zero, often);
                continue;
            }
            int32_t index = bucket[q / (TOTAL / BUCKETS)];
            while (sums[index + 1] <= q)
                index++;
            advance(&r, q, sums[index], sums[index + 1] - sums[index]);
            b->values[b->order[i]] = (int16_t)(index - top);
            if (index == escape) b->escapes[escapes++] = b->order[i];
        }
    }
    if (escapes) status = read_escapes(b, &r, escapes);
    *reader = r;
    if (!status) put(b);
    return status;
}

/* The same functions for each kind of processor. */
#define FUNCTIONS(name, attribute)                                                          \
    attribute static void multiply_##name(const matrix *m, int32_t n, const entry *lists,   \
                                          size_t pitch, const int32_t *counts, int32_t *out, \
                                          size_t out_pitch)                                 \
    {                                                                                       \
        multiply_any(m, n, lists, pitch, counts, out, out_pitch);                           \
    }                                                                                       \
    attribute static void make_rows_##name(aec_slab *b) { make_rows_any(b); }               \
    attribute static aec_status read_step_##name(aec_slab *b, aec_reader *r)                \
    {                                                                                       \
        return read_step_any(b, r);                                                         \
    }                                                                                       \
    static const functions functions_##name = {multiply_##name, make_rows_##name,           \
                                               read_step_##name};

FUNCTIONS(plain, )

#if VECTORS && defined(__x86_64__)
FUNCTIONS(avx2, __attribute__((target("avx2,fma,bmi,bmi2"))))
FUNCTIONS(avx512, __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,bmi,bmi2"))))

static const functions *best_functions(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return &functions_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        return &functions_avx2;
    return &functions_plain;
}
#else
static const functions *best_functions(void) { return &functions_plain; }
#endif

aec_status aec_slab_read(aec_slab *b, aec_reader *r)
{
    aec_status status = AEC_OK;
    while (!status && b->at < b->model->n_steps)
        status = b->model->run->read_step(b, r);
    return status;
}

const int16_t *aec_slab_symbols(const aec_slab *b) { return b->symbols; }

size_t aec_slab_size(const aec_slab *b) { return (size_t)b->cells * b->model->m; }

/* ---- Where slabs and their streams lie --------------------------------------- */

int32_t aec_slab_count(int32_t hz, int32_t wz)
{
    return (hz + SIDE - 1) / SIDE * ((wz + SIDE - 1) / SIDE);
}

/* Part i of n of `length` positions of z, of which there are `cells` cells. */
static void part_of_side(int32_t length, int32_t cells, int32_t n, int32_t i, int32_t *first,
                         int32_t *size)
{
    int32_t end = (int32_t)((int64_t)length * (i + 1) / n) * 4;
    *first = (int32_t)((int64_t)length * i / n) * 4;
    *size = (end < cells ? end : cells) - *first;
}

aec_status aec_slab_place(int32_t n, int32_t hy, int32_t wy, int32_t i, aec_place *place)
{
    aec_place p = {n, (hy + 3) / 4, (wy + 3) / 4, 0, 0, 0, 0};
    int32_t rows = (p.hz + SIDE - 1) / SIDE, columns = (p.wz + SIDE - 1) / SIDE;
    if (hy < 1 || wy < 1 || hy > 1 << 20 || wy > 1 << 20 || i < 0 || i / columns >= rows)
        return AEC_ARGUMENT;
    part_of_side(p.hz, hy, rows, i / columns, &p.top, &p.height);
    part_of_side(p.wz, wy, columns, i % columns, &p.left, &p.width);
    *place = p;
    return AEC_OK;
}

aec_status aec_stream(size_t size, const uint8_t *payload, int32_t n, int32_t i, size_t *length,
                      const uint8_t **bytes, uint32_t *crc)
{
    if (n < 1 || i < 0 || i >= n || size % 4) return AEC_ARGUMENT;
    if (size / 8 < (size_t)n - 1) return AEC_DAMAGED;
    uint64_t start = 8 * ((uint64_t)n - 1), others = 0, before = 0, l = 0;
    for (int32_t s = 1; s < n; s++) {
        l = word(payload + 8 * (s - 1));
        if (l % 4) return AEC_DAMAGED;
        if (s < i) before += l;
        if (s == i) *length = (size_t)l, *crc = word(payload + 8 * (s - 1) + 4);
        others += l;
    }
    if (others > size - start) return AEC_DAMAGED;
    l = size - start - others;
    if (!i) *length = (size_t)l;
    *bytes = payload + start + (i ? l + before : 0);
    return AEC_OK;
}

/* ---- Checksum ------------------------------------------------------------- */

uint32_t aec_crc(const aec_model *s, uint32_t crc, size_t n, const int16_t *symbols)
{
    crc = ~crc;
    for (; n >= 8; n -= 8, symbols += 8) {
        uint32_t x[4], next = 0;
        for (int i = 0; i < 4; i++)
            x[i] = (uint32_t)(uint16_t)symbols[2 * i]
                   | (uint32_t)(uint16_t)symbols[2 * i + 1] << 16;
        x[0] ^= crc;
        for (int i = 0; i < 16; i++)
            next ^= s->crc[15 - i][x[i / 4] >> 8 * (i % 4) & 255];
        crc = next;
    }
    for (; n; n--, symbols++) {
        crc ^= (uint16_t)*symbols;
        crc = crc >> 8 ^ s->crc[0][crc & 255];
        crc = crc >> 8 ^ s->crc[0][crc & 255];
    }
    return ~crc;
}
