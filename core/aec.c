/* The exact path of the .aec format; the contracts are in aec.h, the rules in
 * docs/format.md, whose names are used here.
 *
 * Products of a matrix with a vector are sums of a few of its columns, as most numbers
 * in the vectors are zero: a vector is a list of entries, each of them two neighbouring
 * numbers, since processors multiply and add pairs of int16 at once, or four of them,
 * where they do that with bytes. aec_model_init proves that no sum overflows. */

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
#define INLINE static inline __attribute__((always_inline))
#define DO(text) _Pragma(#text)
#define UNROLL(n) DO(GCC unroll n)
#define FETCH(at) __builtin_prefetch(at)
#else
#define FETCH(at)
#define INLINE static inline
#define UNROLL(n)
#endif

/* Kinds of processors that have functions of their own. */
#if defined(__GNUC__) && defined(__x86_64__)
#define KINDS 1
#include <immintrin.h>
#else
#define KINDS 0
#if defined(__wasm_simd128__)
#include <wasm_simd128.h>
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#endif
#endif

enum {
    MAGIC = 0x54434541, /* "AECT" */
    HEAD = 16,          /* int32 before the tables */
    ROWS = 64,          /* scale indices */
    LANES = 16,         /* outputs are padded to a multiple of this */
    QUARTERS = 4,       /* that are sorted side by side */
    BATCH = 64,         /* vectors that go through a matrix before the next one */
    MAX_PARTS = 63,
    SIDE = 8,           /* of a slab at most, in positions of z: 32 cells */
    LEVEL_ONE_BITS = 5,
    LEVEL_ONE = 1 << LEVEL_ONE_BITS,
    MAX_SYMBOL = 32767,
    ZEROS = 32,
    BUCKETS = 256,      /* of 2^24 at most, for finding an index; a power of two */
    NUMBER = 26,        /* bits of a symbol's place in its slab; its row is above */
    /* Alphabets of a record: rows are 0..63, then */
    UNIFORM = 64,       /* + n: of 2^(n + 1) */
    SIXTEEN = 80,       /* of 16 */
    Z = 128             /* + channel */
};
#define TOTAL ((uint32_t)1 << 24)
#define NUMBERS (((uint32_t)1 << NUMBER) - 1)

typedef struct {
    /* By blocks of outputs: (pairs of inputs, outputs of the block, 2), or bytes, four
     * inputs instead of two. */
    const int16_t *w;
    int32_t in, out;
} matrix;

/* Inputs that are not all zero: the number of the pair, and the first below the second,
 * each of 16 bits; or of the four, each of 8. */
typedef struct {
    uint32_t at, x;
} entry;

/* Vectors that go through a matrix together. What is added to a product lies at
 * from + from_at[i], the sum goes to out + out_at[i], in whole lanes. */
typedef struct {
    int32_t n;
    const entry *lists;
    size_t pitch; /* of the lists */
    const int32_t *counts, *from;
    int32_t *out;
    const uint32_t *from_at, *out_at;
} batch;

/* Functions that exist once for each kind of processor. */
typedef struct {
    void (*multiply)(const matrix *m, const batch *b);
    void (*multiply_context)(const matrix *m, const batch *b); /* of c */
    int context_inputs;                                        /* in an entry of its lists */
    int widest; /* times LANES: outputs of a block, which should stay in the nearest memory */
    void (*make_rows)(aec_slab *b);
    aec_status (*read_step)(aec_slab *b, aec_reader *r);
    uint32_t (*crc)(const aec_model *s, uint32_t crc, size_t n, const int16_t *symbols);
} functions;

typedef struct {
    int32_t pass, first, n, cut, last;
} step;

/* Frequencies of a row; without sums it is never coded. A bucket is of as many q as
 * 2^shift, and says of the index to which its first one belongs: c, the index << 24 and
 * f << 40. */
typedef struct {
    const uint32_t *sums; /* c[0..n] */
    const uint64_t *bucket;
    int shift;
} alphabet;

struct aec_model {
    int32_t nz, m, k, hyper, z_max, bands, row_width, n_parts, n_steps;
    int32_t widest_part;
    step steps[4 + MAX_PARTS];
    matrix w1, w2[2][16], c[4], d[MAX_PARTS];
    const functions *run;
    const int32_t *b1, *b2, *bias;
    const uint32_t *z_sums, *z_min; /* z_sums: c[0..n] of each band and channel */
    alphabet rows[ROWS];
    int32_t row_max[ROWS];
    uint16_t expected[ROWS];
    uint8_t expected_bytes[ROWS / 16][2][16]; /* low bytes of sixteen rows, then high ones */
    uint8_t z_band[100], skip[100], level[256];
    uint8_t (*ones)[8];   /* 256: which bits of a byte are set */
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

/* Columns of w for the entries of a list, added to `from`: `lanes` is a constant, as many
 * as the block has. One function for each kind of vector, of `size` sums; `at_once` lanes
 * have room in the registers. It takes `step` entries at a time, of which there is a
 * multiple. */
#define SUM_COLUMNS(name, attribute, vector, size, at_once, step, load, store, both, begin,  \
                    multiply_add, end)                                                       \
    attribute INLINE void name(const int16_t *w, const entry *list, int32_t n,               \
                               const int32_t *from, int32_t *out, const int lanes)           \
    {                                                                                        \
        UNROLL(9) for (int part = 0; part < lanes; part += at_once) {                        \
            const int each = (lanes - part < at_once ? lanes - part : at_once) * LANES / size; \
            vector a[at_once * LANES / size];                                                \
            UNROLL(12) for (int j = 0; j < each; j++)                                        \
                a[j] = begin(load((const void *)(from + part * LANES + j * size)));          \
            for (int32_t i = 0; i < n; i += step) {                                          \
                const int16_t *r[2];                                                         \
                vector x[2];                                                                 \
                UNROLL(2) for (int k = 0; k < step; k++) {                                   \
                    r[k] = w + ((size_t)list[i + k].at * lanes + part) * (2 * LANES);        \
                    x[k] = both((int32_t)list[i + k].x);                                     \
                }                                                                            \
                UNROLL(12) for (int j = 0; j < each; j++)                                    \
                    a[j] = multiply_add(a[j], load, r, j * 2 * size, x);                     \
            }                                                                                \
            UNROLL(12) for (int j = 0; j < each; j++)                                        \
                store((void *)(out + part * LANES + j * size),                               \
                      end(a[j], load((const void *)(from + part * LANES + j * size))));      \
        }                                                                                    \
    }

#define FROM(from) from /* sums of pairs begin with what they are added to */
#define SUM(a, from) a
#define W(load, r, at) load((const void *)((r) + (at)))

#if KINDS
#define AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define AVX512                                                                               \
    __attribute__((target("avx2,avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,bmi,bmi2,popcnt")))
#define PAIRS_128(a, load, r, at, x) \
    _mm_add_epi32(a, _mm_madd_epi16(W(load, r[0], at), x[0]))
#define PAIRS_256(a, load, r, at, x) \
    _mm256_add_epi32(a, _mm256_madd_epi16(W(load, r[0], at), x[0]))
#define PAIRS_512(a, load, r, at, x) _mm512_dpwssd_epi32(a, W(load, r[0], at), x[0])
SUM_COLUMNS(sum_columns_plain, , __m128i, 4, 3, 1, _mm_loadu_si128, _mm_storeu_si128,
            _mm_set1_epi32, FROM, PAIRS_128, SUM)
SUM_COLUMNS(sum_columns_avx2, AVX2, __m256i, 8, 6, 1, _mm256_loadu_si256, _mm256_storeu_si256,
            _mm256_set1_epi32, FROM, PAIRS_256, SUM)
SUM_COLUMNS(sum_columns_avx512, AVX512, __m512i, 16, 9, 1, _mm512_loadu_si512,
            _mm512_storeu_si512, _mm512_set1_epi32, FROM, PAIRS_512, SUM)

/* Of four bytes, of two entries at a time; c, in int8, is not times 16 yet. Four products of
 * a level or a sum of levels are at most 4 x 60 x 128, which int16 holds. */
#define ZERO_256(from) _mm256_setzero_si256()
#define ZERO_512(from) _mm512_setzero_si512()
#define BYTES_256(a, load, r, at, x)                                                         \
    _mm256_add_epi32(a, _mm256_madd_epi16(                                                   \
        _mm256_add_epi16(_mm256_maddubs_epi16(x[0], W(load, r[0], at)),                      \
                         _mm256_maddubs_epi16(x[1], W(load, r[1], at))),                     \
        _mm256_set1_epi16(1)))
#define BYTES_512(a, load, r, at, x)                                                         \
    _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(a, x[0], W(load, r[0], at)), x[1],               \
                        W(load, r[1], at))
#define SUM_256(a, from) _mm256_add_epi32(from, _mm256_slli_epi32(a, 4))
#define SUM_512(a, from) _mm512_add_epi32(from, _mm512_slli_epi32(a, 4))
SUM_COLUMNS(sum_columns_avx2_bytes, AVX2, __m256i, 8, 6, 2, _mm256_loadu_si256,
            _mm256_storeu_si256, _mm256_set1_epi32, ZERO_256, BYTES_256, SUM_256)
SUM_COLUMNS(sum_columns_avx512_bytes, AVX512, __m512i, 16, 9, 2, _mm512_loadu_si512,
            _mm512_storeu_si512, _mm512_set1_epi32, ZERO_512, BYTES_512, SUM_512)
#elif defined(__wasm_simd128__)
#define PAIRS_WASM(a, load, r, at, x) \
    wasm_i32x4_add(a, wasm_i32x4_dot_i16x8(W(load, r[0], at), x[0]))
SUM_COLUMNS(sum_columns_plain, , v128_t, 4, 3, 1, wasm_v128_load, wasm_v128_store,
            wasm_i32x4_splat, FROM, PAIRS_WASM, SUM)
#elif defined(__ARM_NEON) && defined(__aarch64__)
INLINE int32x4_t multiply_add_neon(int32x4_t a, int32x4_t w, int32x4_t x)
{
    int16x8_t v = vreinterpretq_s16_s32(w), y = vreinterpretq_s16_s32(x);
    int32x4_t low = vmull_s16(vget_low_s16(v), vget_low_s16(y)), high = vmull_high_s16(v, y);
    return vaddq_s32(a, vpaddq_s32(low, high));
}
#define PAIRS_NEON(a, load, r, at, x) multiply_add_neon(a, W(load, r[0], at), x[0])
SUM_COLUMNS(sum_columns_plain, , int32x4_t, 4, 6, 1, vld1q_s32, vst1q_s32, vdupq_n_s32, FROM,
            PAIRS_NEON, SUM)
#else
/* A pair of int16 in one number, as a list has them. */
INLINE int32_t load_one(const int32_t *at)
{
    int32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}
INLINE void store_one(int32_t *at, int32_t x) { *at = x; }
INLINE int32_t multiply_add_one(int32_t a, int32_t w, int32_t x)
{
    return a + (int16_t)w * (int16_t)x + (w >> 16) * (x >> 16);
}
#define SAME(x) x
#define PAIRS_ONE(a, load, r, at, x) multiply_add_one(a, W(load, r[0], at), x[0])
SUM_COLUMNS(sum_columns_plain, , int32_t, 1, 1, 1, load_one, store_one, SAME, FROM, PAIRS_ONE,
            SUM)
#endif

/* A matrix times the vectors of a batch. */
#define MULTIPLY(name, attribute, inputs, widest)                                            \
    attribute static void multiply_##name(const matrix *m, const batch *b)                   \
    {                                                                                        \
        const int16_t *w = m->w;                                                             \
        for (int32_t first = 0; first < m->out; first += widest * LANES) {                   \
            int32_t lanes = padded(m->out - first) / LANES;                                  \
            if (lanes > widest) lanes = widest;                                              \
            size_t block = (size_t)((m->in + inputs - 1) / inputs) * lanes * 2 * LANES;      \
            const char *next = (const char *)(w + block);                                    \
            for (int32_t v = 0; v < b->n; v++) {                                             \
                const entry *list = b->lists + v * b->pitch;                                 \
                const int32_t *from = b->from + b->from_at[v] + first;                       \
                int32_t *out = b->out + b->out_at[v] + first, n = b->counts[v];              \
                for (size_t p = 0; p < block * 2 / 64 / b->n + 1; p++, next += 64)           \
                    FETCH(next);                                                             \
                switch (lanes) {                                                             \
                case 1: sum_columns_##name(w, list, n, from, out, 1); break;                 \
                case 2: sum_columns_##name(w, list, n, from, out, 2); break;                 \
                case 3: sum_columns_##name(w, list, n, from, out, 3); break;                 \
                case 4: sum_columns_##name(w, list, n, from, out, 4); break;                 \
                case 5: sum_columns_##name(w, list, n, from, out, 5); break;                 \
                case 6: sum_columns_##name(w, list, n, from, out, 6); break;                 \
                case 7: sum_columns_##name(w, list, n, from, out, 7); break;                 \
                case 8: sum_columns_##name(w, list, n, from, out, 8); break;                 \
                default: sum_columns_##name(w, list, n, from, out, 9); break;                \
                }                                                                            \
            }                                                                                \
            w += block;                                                                      \
        }                                                                                    \
    }

/* Lists of what is not zero; they return the end, and may write eight entries from there
 * on. What is behind the last input meets zeros of the matrix, or is zero: `x` goes on for
 * ZEROS. */
INLINE entry *list_bytes_plain(const aec_model *s, entry *list, const uint8_t *x, int32_t n)
{
    (void)s;
    for (int32_t i = 0; i < n; i += 8) {
        uint64_t eight;
        memcpy(&eight, x + i, 8);
        if (!eight) continue;
        for (uint32_t j = 0; j < 4; j++, eight >>= 16) {
            uint32_t two = eight & 0xffff;
            *list = (entry){(uint32_t)i / 2 + j, (two & 0xff) | (two & 0xff00) << 8};
            list += two != 0;
        }
    }
    return list;
}

#if KINDS
/* Those of eight that are not zero and among `these`; the first is number `at`. */
AVX2 INLINE entry *list_eight(const aec_model *s, entry *list, __m256i x, uint32_t at, int these)
{
    __m256i zero = _mm256_cmpeq_epi32(x, _mm256_setzero_si256());
    these &= ~_mm256_movemask_ps(_mm256_castsi256_ps(zero));
    __m256i from = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)s->ones[these]));
    x = _mm256_permutevar8x32_epi32(x, from);
    from = _mm256_add_epi32(from, _mm256_set1_epi32((int32_t)at));
    __m256i even = _mm256_unpacklo_epi32(from, x), odd = _mm256_unpackhi_epi32(from, x);
    _mm256_storeu_si256((void *)list, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((void *)(list + 4), _mm256_permute2x128_si256(even, odd, 0x31));
    return list + __builtin_popcount(these);
}

AVX2 INLINE entry *list_bytes_avx2(const aec_model *s, entry *list, const uint8_t *x, int32_t n)
{
    for (int32_t i = 0; i < n; i += 32)
        list = list_eight(s, list, _mm256_loadu_si256((const void *)(x + i)), (uint32_t)i / 4, 255);
    return list;
}
#endif

typedef entry *list_of_bytes(const aec_model *s, entry *list, const uint8_t *x, int32_t n);

INLINE entry *list_shorts(entry *list, const int16_t *x, int32_t n)
{
    for (int32_t i = 0; i < n; i += 2) {
        *list = (entry){(uint32_t)i / 2, (uint16_t)x[i] | (uint32_t)(uint16_t)x[i + 1] << 16};
        list += list->x != 0;
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
    if (head[0] != MAGIC || t->nz < 1 || t->nz > 1024 || t->m < 2 || t->m > 1024 || t->k < 1
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

/* Bytes of (out, in) by blocks of outputs, `inputs` of each beside each other: four bytes,
 * or two int16, which are `scale` times what they were. Padding is zero. */
static matrix make_matrix(arena *a, int widest, const int8_t *w, int32_t out, int32_t in,
                          int inputs, int32_t scale)
{
    int32_t groups = (in + inputs - 1) / inputs;
    int16_t *shorts = take(a, (uint64_t)padded(out) * groups, 4);
    int8_t *bytes = (int8_t *)shorts;
    matrix m = {shorts, in, out};
    if (!shorts) return m;
    for (int32_t first = 0; first < out; first += widest * LANES) {
        int32_t width = padded(out - first);
        if (width > widest * LANES) width = widest * LANES;
        for (int32_t i = 0; i < groups * inputs; i += inputs)
            for (int32_t o = first; o < first + width; o++)
                for (int32_t j = i; j < i + inputs; j++) {
                    int32_t x = o < out && j < in ? w[(size_t)o * in + j] : 0;
                    if (inputs == 4)
                        *bytes++ = (int8_t)x;
                    else
                        *shorts++ = (int16_t)(x * scale);
                }
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

static void make_alphabets(aec_model *s, arena *a, const tables *t)
{
    for (int r = t->row_skip; r < ROWS; r++) {
        uint32_t n = 2 * (uint32_t)t->row_max[r] + 2, buckets = 16;
        const uint32_t *f = t->row_freq + (size_t)r * t->row_width;
        uint32_t *sums = take(a, (uint64_t)n + 1, sizeof *sums);
        int shift = 20;
        while (buckets < BUCKETS && buckets < 4 * n)
            buckets *= 2, shift--;
        uint64_t *bucket = take(a, buckets, sizeof *bucket);
        s->rows[r] = (alphabet){sums, bucket, shift};
        if (!sums) continue;
        sums[0] = 0;
        for (uint32_t i = 0, at = 0; i < n; i++) {
            sums[i + 1] = sums[i] + f[i];
            for (; at < buckets && at << shift < sums[i + 1]; at++)
                bucket[at] = sums[i] | (uint64_t)i << 24 | (uint64_t)f[i] << 40;
        }
    }
}

/* c[0..width] of each band and channel. */
static const uint32_t *make_z_sums(arena *a, const tables *t)
{
    uint64_t rows = (uint64_t)t->bands * t->nz;
    int32_t width = 2 * t->z_max + 1;
    const uint32_t *f = t->z_freq;
    uint32_t *sums = take(a, rows * (width + 1), sizeof *sums), *to = sums;
    for (uint64_t i = 0; sums && i < rows; i++, to += width + 1, f += width) {
        to[0] = 0;
        for (int32_t j = 0; j < width; j++)
            to[j + 1] = to[j] + f[j];
    }
    return sums;
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

static void make_ones(aec_model *s, arena *a)
{
    s->ones = take(a, 256, sizeof *s->ones);
    if (s->ones) memset(s->ones, 0, 256 * sizeof *s->ones);
    for (int byte = 0; s->ones && byte < 256; byte++)
        for (uint8_t bit = 0, n = 0; bit < 8; bit++) {
            s->ones[byte][n] = bit;
            n += byte >> bit & 1;
        }
}

static void make_model(aec_model *s, arena *a, const tables *t)
{
    s->run = best_functions();
    int widest = s->run->widest;
    s->nz = t->nz, s->m = t->m, s->k = t->k, s->hyper = t->hyper, s->z_max = t->z_max;
    s->bands = t->bands, s->row_width = t->row_width, s->n_parts = t->n_parts;
    s->z_sums = make_z_sums(a, t);
    s->z_min = copied(a, t->z_min, t->bands, 4);
    s->b1 = copied(a, t->b1, t->hyper, 4);
    s->b2 = copied(a, t->b2, 16 * (uint64_t)t->m, 4);
    s->bias = copied(a, t->bias, 100 * (uint64_t)t->m, 4);
    s->w1 = make_matrix(a, widest, t->w1, t->hyper, 9 * t->nz, 2, 1);
    for (int g = 0; g < 2; g++)
        for (int o = 0; o < 16; o++)
            s->w2[g][o] = make_matrix(
                a, widest, t->w2 + ((size_t)o * t->m + (g ? t->k : 0)) * t->hyper,
                g ? t->m - t->k : t->k, t->hyper, 2, 1);
    /* Times 16, as e is. */
    int inputs = s->run->context_inputs;
    s->c[1] = make_matrix(a, widest, t->c[1], t->k, t->k, inputs, 16);
    s->c[2] = make_matrix(a, widest, t->c[2], t->m - t->k, 2 * t->k, inputs, 16);
    s->c[3] = make_matrix(a, widest, t->c[3], t->m - t->k, t->m + t->k, inputs, 16);
    for (int32_t n = 0; n < t->n_parts; n++) {
        int32_t first, start, end;
        part_of(t, n, &first, &start, &end);
        s->d[n] = make_matrix(a, widest, t->d[n], end - start, start - first, 2, 1);
    }
    make_alphabets(s, a, t);
    make_crc(s, a);
    make_ones(s, a);
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
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 2; i++)
            s->expected_bytes[r / 16][i][r % 16] = (uint8_t)(s->expected[r] >> 8 * i);
    make_steps(s, &t);
    arena a = arena_at(memory, sizeof *s);
    make_model(s, &a, &t);
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
    r->state = (r->state >> 24) * f + (q - c);
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

aec_status aec_writer_end(const aec_writer *w, const aec_model *s, int quality, size_t size,
                          uint8_t *bytes, size_t *used)
{
    uint64_t state = 0;
    size_t at = 0, width = 2 * (size_t)s->z_max + 1;
    if (quality < 1 || quality > 100) return AEC_ARGUMENT;
    if (size / 4 < w->used + 2) return AEC_MEMORY;
    const uint32_t *z_sums = s->z_sums + s->z_band[quality - 1] * s->nz * (width + 1);
    for (size_t n = w->used; n--;) {
        uint32_t alphabet = w->records[n] >> 16, i = w->records[n] & 0xffff, c, f;
        if (alphabet < ROWS) {
            const uint32_t *sums = s->rows[alphabet].sums;
            c = sums[i], f = sums[i + 1] - c;
        } else if (alphabet < Z) {
            int bits = alphabet == SIXTEEN ? 4 : (int)alphabet - UNIFORM + 1;
            f = TOTAL >> bits, c = i * f;
        } else {
            const uint32_t *sums = z_sums + (alphabet - Z) * (width + 1);
            c = sums[i], f = sums[i + 1] - c;
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

/* One channel of z, n symbols. `first` has the index to which the first q of each 64th
 * belongs. */
static void read_channel(const uint32_t *sums, aec_reader *reader, int32_t width, size_t n,
                         int16_t *z, size_t pitch, int32_t z_max)
{
    aec_reader r = *reader; /* in registers */
    uint16_t first[64];
    for (uint32_t i = 0, at = 0; i < (uint32_t)width; i++)
        for (; at < 64 && at << 18 < sums[i + 1]; at++)
            first[at] = (uint16_t)i;
    for (; n; n--, z += pitch) {
        uint32_t q = r.state & (TOTAL - 1);
        int32_t index = first[q >> 18];
        while (sums[index + 1] <= q)
            index++;
        advance(&r, q, sums[index], sums[index + 1] - sums[index]);
        *z = (int16_t)(index - z_max);
    }
    *reader = r;
}

aec_status aec_read_z(const aec_model *s, aec_reader *r, int quality, int32_t n, int32_t hz,
                      int32_t wz, int16_t *z)
{
    uint64_t all = positions(n, hz, wz);
    size_t width = 2 * (size_t)s->z_max + 1;
    if (quality < 1 || quality > 100 || !all) return AEC_ARGUMENT;
    int band = s->z_band[quality - 1];
    if (1000 * (8 * (uint64_t)r->size + 64) < all * s->z_min[band]) return AEC_DAMAGED;
    for (int32_t c = 0; c < s->nz; c++)
        read_channel(s->z_sums + ((size_t)band * s->nz + c) * (width + 1), r, (int32_t)width,
                     (size_t)all, z + c, s->nz, s->z_max);
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

/* Of n places, each with its row above, where those of each row begin once they are sorted
 * by it: of all places, and of what is in the second, third and last quarter. */
INLINE void count_rows(const uint32_t *coded, uint32_t n, uint32_t begins[QUARTERS][ROWS])
{
    uint32_t sum = 0, quarter = n / QUARTERS;
    memset(begins, 0, QUARTERS * sizeof *begins);
    for (uint32_t i = 0; i < quarter; i++) /* a count that was just written takes long to read */
        for (uint32_t j = 0; j < QUARTERS; j++)
            begins[j][coded[j * quarter + i] >> NUMBER]++;
    for (uint32_t i = QUARTERS * quarter; i < n; i++)
        begins[QUARTERS - 1][coded[i] >> NUMBER]++;
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t j = 0; j < QUARTERS; j++) {
            uint32_t count = begins[j][r];
            begins[j][r] = sum;
            sum += count;
        }
}

/* Sort them by the row: `order` has the places alone, those of row r up to ends[r]. */
INLINE void sort_rows(const uint32_t *coded, uint32_t n, uint32_t *order, uint32_t ends[ROWS])
{
    uint32_t begins[QUARTERS][ROWS];
    count_rows(coded, n, begins);
    memcpy(ends, begins, ROWS * sizeof *ends);
    for (uint32_t i = 0; i < n; i++)
        order[ends[coded[i] >> NUMBER]++] = coded[i] & NUMBERS;
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
    uint32_t ends[ROWS], begin = 0, sum, escapes = 0, wild = 0;
    uint8_t skip = s->skip[quality - 1];
    for (size_t i = 0; i < n; i++)
        wild |= (rows[i] >= ROWS) | (symbols[i] == -MAX_SYMBOL - 1)
                | ((rows[i] < skip) & (symbols[i] != 0));
    if (wild) return AEC_ARGUMENT;
    /* Places by row first, which become records; behind them each escape's excess
     * and sign, which move on to make room for their lengths. */
    uint32_t *out = w->records + w->used, *coded = out + 3 * n, *end = coded;
    uint32_t *excess, *lengths, *signs;
    for (size_t i = 0; i < n; i++) {
        *end = (uint32_t)i | (uint32_t)rows[i] << NUMBER;
        end += rows[i] >= skip;
    }
    sum = (uint32_t)(end - coded);
    sort_rows(coded, sum, out, ends);
    excess = out + sum;
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
    uint32_t *places[2]; /* cells of even, odd positions */
    int16_t *symbols;
    uint8_t *levels, *zeros;
    uint8_t *rows, *rows_before; /* of the step in hand and of the one before */
    int32_t *sums;         /* base + 16 e of the group in hand, (cells + 1, its channels) */
    entry *hidden;         /* (z_cells, pairs of HYPER) */
    int32_t *hidden_counts;
    entry *seen;           /* x of section 7, parts: (places, pairs of the group) */
    int32_t *seen_counts;
    entry *lists;          /* (BATCH, pairs of the longest vector) */
    int32_t *temporary;    /* (BATCH, widest output) */
    int32_t *start;        /* what sums begin with: (widest output) */
    /* Of the symbols that are coded in the step in hand, places in `symbols`: */
    uint32_t n_coded, *coded; /* and their rows */
    uint32_t *found;          /* in the order of the stream */
    uint32_t *escapes;        /* places in `found`, and their rows */
};

static int32_t wider(const aec_model *s) { return s->k > s->m - s->k ? s->k : s->m - s->k; }

/* Pairs of n numbers, and what may be written beyond them. */
static size_t pairs(int32_t n) { return (size_t)n / 2 + 8; }

static size_t longest(const aec_model *s)
{
    return pairs(9 * s->nz > s->m + s->k ? 9 * s->nz : s->m + s->k);
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
    uint64_t cells = b->cells, half = (cells + b->place.n + 1) / 2;
    uint64_t part = half * s->widest_part + LANES;
    for (int odd = 0; odd < 2; odd++)
        b->places[odd] = take(a, half, sizeof *b->places[odd]);
    b->symbols = take(a, cells * s->m, sizeof *b->symbols);
    b->levels = take(a, cells * s->m, 1);
    b->zeros = take(a, s->m, 1);
    /* A row more for cells outside of the picture, and what is read beyond. */
    b->sums = take(a, (cells + 1) * padded(wider(s)) + LANES, sizeof *b->sums);
    b->hidden = take(a, b->z_cells * pairs(s->hyper), sizeof *b->hidden);
    b->hidden_counts = take(a, b->z_cells, sizeof *b->hidden_counts);
    b->seen = take(a, half * pairs(wider(s)), sizeof *b->seen);
    b->seen_counts = take(a, half, sizeof *b->seen_counts);
    b->lists = take(a, BATCH * longest(s), sizeof *b->lists);
    b->temporary = take(a, (uint64_t)BATCH * widest_output(s), sizeof *b->temporary);
    b->start = take(a, widest_output(s), sizeof *b->start);
    b->rows = take(a, part, 1);
    b->rows_before = take(a, part, 1);
    b->coded = take(a, part, sizeof *b->coded);
    b->found = take(a, part, sizeof *b->found);
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
    lay_out(&b, &a, s);
    return total(sizeof b, a.used);
}

/* The 3 x 3 neighbourhood of a position of z; -1: a symbol out of range. */
static int gather_z(const aec_slab *b, const int16_t *z, int32_t row, int32_t column, int16_t *to)
{
    const aec_place *p = &b->place;
    int32_t nz = b->model->nz, z_max = b->model->z_max, wild = 0;
    int32_t top = p->top / 4, bottom = (p->top + p->height + 3) / 4;
    int32_t left = p->left / 4, right = (p->left + p->width + 3) / 4;
    for (int32_t r = row - 1; r <= row + 1; r++)
        for (int32_t c = column - 1; c <= column + 1; c++, to += nz) {
            if (r < top || r >= bottom || c < left || c >= right) {
                memset(to, 0, nz * sizeof *to);
                continue;
            }
            const int16_t *x = z + ((size_t)r * p->wz + c) * nz;
            for (int32_t i = 0; i < nz; i++) {
                to[i] = x[i];
                wild |= (x[i] > z_max) | (x[i] < -z_max);
            }
        }
    return wild ? -1 : 0;
}

/* Vectors of a batch to rows of `temporary`. */
static batch to_temporary(aec_slab *b, int32_t n, const uint32_t *from_at, uint32_t *out_at,
                          int32_t width)
{
    for (int32_t i = 0; i < n; i++)
        out_at[i] = (uint32_t)(i * padded(width));
    return (batch){n, b->lists, longest(b->model), NULL, b->start, b->temporary, from_at, out_at};
}

static aec_status make_hidden(aec_slab *b, const int16_t *z)
{
    const aec_model *s = b->model;
    const aec_place *p = &b->place;
    int32_t rows = (p->height + 3) / 4, columns = (p->width + 3) / 4, counts[BATCH];
    uint32_t none[BATCH] = {0}, out_at[BATCH];
    int16_t near[9 * 1024 + 1];
    near[9 * s->nz] = 0;
    memcpy(b->start, s->b1, s->hyper * sizeof *b->start);
    for (int32_t first = 0; first < b->z_cells; first += BATCH) {
        int32_t n = b->z_cells - first < BATCH ? b->z_cells - first : BATCH;
        batch v = to_temporary(b, n, none, out_at, s->hyper);
        v.counts = counts;
        for (int32_t i = 0; i < n; i++) {
            int32_t at = first + i, picture = at / (rows * columns);
            entry *list = b->lists + i * v.pitch;
            if (gather_z(b, z + (size_t)picture * p->hz * p->wz * s->nz,
                         p->top / 4 + at / columns % rows, p->left / 4 + at % columns, near))
                return AEC_ARGUMENT;
            counts[i] = (int32_t)(list_shorts(list, near, 9 * s->nz) - list);
        }
        s->run->multiply(&s->w1, &v);
        for (int32_t i = 0; i < n; i++) {
            entry *list = b->hidden + (first + i) * pairs(s->hyper);
            const int32_t *x = b->temporary + out_at[i];
            for (int32_t j = 0; j < s->hyper; j++) {
                int32_t a = x[j] >> 4;
                near[j] = (int16_t)(a < 0 ? 0 : a > 255 ? 255 : a);
            }
            near[s->hyper] = 0;
            b->hidden_counts[first + i] = (int32_t)(list_shorts(list, near, s->hyper) - list);
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
    memset(b->levels, s->level[0], (size_t)b->cells * s->m);
    memset(b->zeros, 0, s->m);
    memset(b->start, 0, widest_output(s) * sizeof *b->start);
    memset(b->sums + (size_t)b->cells * padded(wider(s)), 0,
           (padded(wider(s)) + LANES) * sizeof *b->sums);
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
    uint32_t none[BATCH] = {0}, out_at[BATCH], pitch = (uint32_t)padded(width);
    const int32_t *bias = s->bias + (size_t)(b->quality - 1) * s->m + low;
    for (int32_t first = 0; first < b->z_cells; first += BATCH) {
        int32_t n = b->z_cells - first < BATCH ? b->z_cells - first : BATCH;
        batch v = {n, b->hidden + first * pairs(s->hyper), pairs(s->hyper),
                   b->hidden_counts + first, b->start, b->sums, none, out_at};
        for (int32_t offset = 0; offset < 16; offset++) {
            const int32_t *b2 = s->b2 + (size_t)offset * s->m + low;
            for (int32_t c = 0; c < width; c++)
                b->start[c] = b2[c] + bias[c];
            for (int32_t i = 0; i < n; i++) {
                int32_t at = first + i, picture = at / (rows * columns);
                int32_t row = at / columns % rows * 4 + offset / 4;
                int32_t column = at % columns * 4 + offset % 4;
                int32_t cell = (picture * p->height + row) * p->width + column;
                out_at[i] = row < p->height && column < p->width ? (uint32_t)cell * pitch
                                                                : (uint32_t)b->cells * pitch;
            }
            s->run->multiply(&s->w2[group][offset], &v);
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
INLINE void add_context(aec_slab *b, int pass, list_of_bytes *list_bytes)
{
    const aec_model *s = b->model;
    int32_t k = s->k, width = pass < 2 ? k : s->m - k, counts[BATCH];
    uint32_t out_at[BATCH];
    uint8_t near[2 * 1024 + ZEROS];
    batch v = {0, b->lists, longest(s), counts, b->sums, b->sums, out_at, out_at};
    for (int32_t first = 0; first < b->n_places[pass & 1]; first += BATCH) {
        const uint32_t *places = b->places[pass & 1] + first;
        v.n = b->n_places[pass & 1] - first;
        if (v.n > BATCH) v.n = BATCH;
        for (int32_t i = 0; i < v.n; i++) {
            int32_t cell = (int32_t)places[i], n = 0;
            entry *list = b->lists + i * v.pitch;
            if (pass > 1) {
                memcpy(near, b->levels + (size_t)cell * s->m, k);
                n = k;
            }
            neighbour_sum(b, cell, 0, k, near + n);
            n += k;
            if (pass == 3) {
                neighbour_sum(b, cell, k, s->m - k, near + n);
                n += s->m - k;
            }
            memset(near + n, 0, ZEROS);
            counts[i] = (int32_t)(list_bytes(s, list, near, n) - list);
            if (counts[i] & 1) list[counts[i]++] = (entry){0, 0};
            out_at[i] = places[i] * (uint32_t)padded(width);
        }
        s->run->multiply_context(&s->c[pass], &v);
    }
}

/* x of section 7, parts, of one symbol. */
INLINE uint16_t expect(const aec_model *s, uint8_t level, uint8_t row)
{
    return (uint16_t)(LEVEL_ONE * level - s->expected[row]);
}

/* List of pairs of x of the symbols of n channels, n even, from their levels and rows; the
 * first is number `pair`. */
INLINE entry *list_pairs_plain(const aec_model *s, entry *list, uint32_t pair,
                               const uint8_t *level, const uint8_t *row, int32_t n)
{
    for (int32_t c = 0; c < n; c += 2) {
        *list = (entry){pair++, expect(s, level[c], row[c])
                                    | (uint32_t)expect(s, level[c + 1], row[c + 1]) << 16};
        list += list->x != 0;
    }
    return list;
}

#if KINDS
AVX2 INLINE entry *list_pairs_avx2(const aec_model *s, entry *list, uint32_t pair,
                                   const uint8_t *level, const uint8_t *row, int32_t n)
{
    for (int32_t c = 0; c < n; c += 16, pair += 8) {
        /* What is expected of sixteen rows: low bytes, then high ones. */
        __m256i rows = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(row + c)));
        __m256i bytes = _mm256_setzero_si256();
        UNROLL(4) for (int k = 0; k < ROWS / 16; k++) {
            __m256i at = _mm256_sub_epi8(rows, _mm256_set1_epi8((char)(16 * k)));
            at = _mm256_adds_epu8(at, _mm256_set1_epi8(112)); /* others get their highest bit */
            __m256i of = _mm256_loadu_si256((const void *)s->expected_bytes[k]);
            bytes = _mm256_or_si256(bytes, _mm256_shuffle_epi8(of, at));
        }
        __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
        __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)(level + c)));
        x = _mm256_sub_epi16(_mm256_slli_epi16(x, LEVEL_ONE_BITS),
                             _mm256_set_m128i(_mm_unpackhi_epi8(low, high),
                                              _mm_unpacklo_epi8(low, high)));
        list = list_eight(s, list, x, pair, n - c < 16 ? (1 << (n - c) / 2) - 1 : 255);
    }
    return list;
}
#endif

typedef entry *list_of_pairs(const aec_model *s, entry *list, uint32_t pair, const uint8_t *level,
                             const uint8_t *row, int32_t n);

/* Goes on with a place's list of x by the symbols of the step before; returns how long it
 * is. Behind it stays what waits for the other half of its pair. */
INLINE int32_t list_seen(aec_slab *b, const step *before, int32_t low, int32_t place,
                         list_of_pairs *list_pairs)
{
    const aec_model *s = b->model;
    entry *list = b->seen + place * pairs(wider(s)), *end = list + b->seen_counts[place];
    uint32_t cell = b->places[before->pass & 1][place], pair = (before->first - low) / 2;
    const uint8_t *level = b->levels + (size_t)cell * s->m + before->first;
    const uint8_t *row = b->rows_before + (size_t)place * before->n;
    int32_t n = before->n;
    if ((before->first - low) & 1) {
        end->x |= (uint32_t)expect(s, *level++, *row++) << 16;
        end += end->x != 0;
        pair++, n--;
    }
    end = list_pairs(s, end, pair, level, row, n & ~1);
    b->seen_counts[place] = (int32_t)(end - list);
    if (n & 1) {
        *end = (entry){pair + n / 2, expect(s, level[n - 1], row[n - 1])};
        end += end->x != 0;
    }
    return (int32_t)(end - list);
}

/* Rows of n symbols in a line, the first of which has the place `at`, from their sums; in
 * whole lanes. Those that are coded go to `coded`; returns its end. */
INLINE uint32_t *line_of_rows_plain(const aec_model *s, const int32_t *x, int32_t n, uint32_t at,
                                    int32_t skip, uint8_t *to, uint32_t *coded)
{
    (void)s;
    for (int32_t c = 0; c < n; c += LANES)
        for (int32_t j = c; j < c + LANES; j++) {
            int32_t sum = x[j] < 0 ? 0 : x[j];
            to[j] = (uint8_t)((sum > 65535 ? 65535 : sum) >> 10);
        }
    for (int32_t c = 0; c < n; c++) {
        *coded = (at + (uint32_t)c) | (uint32_t)to[c] << NUMBER;
        coded += to[c] >= skip;
    }
    return coded;
}

#if KINDS
AVX2 INLINE uint32_t *line_of_rows_avx2(const aec_model *s, const int32_t *x, int32_t n,
                                        uint32_t at, int32_t skip, uint8_t *to, uint32_t *coded)
{
    for (int32_t c = 0; c < n; c += 8) {
        __m256i r = _mm256_srai_epi32(_mm256_loadu_si256((const void *)(x + c)), 10);
        r = _mm256_min_epi32(_mm256_max_epi32(r, _mm256_setzero_si256()),
                             _mm256_set1_epi32(ROWS - 1));
        __m128i shorts = _mm_packs_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
        _mm_storel_epi64((void *)(to + c), _mm_packus_epi16(shorts, shorts));
        __m256i those = _mm256_cmpgt_epi32(r, _mm256_set1_epi32(skip - 1));
        int these = _mm256_movemask_ps(_mm256_castsi256_ps(those));
        if (n - c < 8) these &= (1 << (n - c)) - 1;
        __m256i from = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)s->ones[these]));
        r = _mm256_slli_epi32(_mm256_permutevar8x32_epi32(r, from), NUMBER);
        from = _mm256_add_epi32(from, _mm256_set1_epi32((int32_t)(at + c)));
        _mm256_storeu_si256((void *)coded, _mm256_or_si256(r, from));
        coded += __builtin_popcount(these);
    }
    return coded;
}

AVX512 INLINE uint32_t *line_of_rows_avx512(const aec_model *s, const int32_t *x, int32_t n,
                                            uint32_t at, int32_t skip, uint8_t *to,
                                            uint32_t *coded)
{
    (void)s;
    const __m512i numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int32_t c = 0; c < n; c += LANES) {
        __m512i r = _mm512_srai_epi32(_mm512_loadu_si512((const void *)(x + c)), 10);
        r = _mm512_min_epi32(_mm512_max_epi32(r, _mm512_setzero_si512()),
                             _mm512_set1_epi32(ROWS - 1));
        _mm_storeu_si128((void *)(to + c), _mm512_cvtepi32_epi8(r));
        __mmask16 these = n - c < LANES ? (__mmask16)((1 << (n - c)) - 1) : (__mmask16)-1;
        these = _mm512_mask_cmpge_epi32_mask(these, r, _mm512_set1_epi32(skip));
        __m512i place = _mm512_add_epi32(numbers, _mm512_set1_epi32((int32_t)(at + c)));
        r = _mm512_or_si512(_mm512_slli_epi32(r, NUMBER), place);
        _mm512_storeu_si512((void *)coded, _mm512_maskz_compress_epi32(these, r));
        coded += __builtin_popcount(these);
    }
    return coded;
}
#endif

typedef uint32_t *line_of_rows(const aec_model *s, const int32_t *x, int32_t n, uint32_t at, int32_t skip,
                               uint8_t *to, uint32_t *coded);

/* Rows of the step that is next, and which of its symbols are coded. */
INLINE void make_rows_any(aec_slab *b, line_of_rows *line, list_of_bytes *bytes,
                          list_of_pairs *pairs_of_x)
{
    const aec_model *s = b->model;
    const step *t = &s->steps[b->at];
    int32_t places = b->n_places[t->pass & 1], low = t->pass < 2 ? 0 : s->k;
    int32_t skip = s->skip[b->quality - 1], counts[BATCH];
    uint32_t from_at[BATCH], out_at[BATCH], *coded = b->coded;
    size_t pitch = padded(t->pass < 2 ? s->k : s->m - s->k);
    if (t->first == low) {
        if (t->pass % 2 == 0) make_base(b, t->pass / 2);
        if (t->pass) add_context(b, t->pass, bytes);
        memset(b->seen_counts, 0, (size_t)places * sizeof *b->seen_counts);
    }
    for (int32_t first = 0; first < places; first += BATCH) {
        int32_t n = places - first < BATCH ? places - first : BATCH;
        const uint32_t *cells = b->places[t->pass & 1] + first;
        batch v = to_temporary(b, n, from_at, out_at, t->n);
        v.from = b->sums + (t->first - low);
        for (int32_t i = 0; i < n; i++)
            from_at[i] = (uint32_t)(cells[i] * pitch);
        if (t->cut >= 0) {
            for (int32_t i = 0; i < n; i++)
                counts[i] = list_seen(b, t - 1, low, first + i, pairs_of_x);
            v.counts = counts, v.pitch = pairs(wider(s));
            v.lists = b->seen + first * v.pitch;
            s->run->multiply(&s->d[t->cut], &v);
        }
        for (int32_t i = 0; i < n; i++) {
            const int32_t *x = t->cut < 0 ? v.from + from_at[i] : v.out + out_at[i];
            uint32_t at = cells[i] * (uint32_t)s->m + (uint32_t)t->first;
            coded = line(s, x, t->n, at, skip, b->rows + (size_t)(first + i) * t->n, coded);
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

INLINE uint8_t level_of(const aec_model *s, int32_t v)
{
    int32_t magnitude = v < 0 ? -v : v;
    return s->level[magnitude < 255 ? magnitude : 255];
}

static void next_step(aec_slab *b)
{
    uint8_t *rows = b->rows_before;
    b->rows_before = b->rows, b->rows = rows;
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
    int32_t places = b->n_places[t->pass & 1], wild = 0;
    uint8_t skip = s->skip[b->quality - 1];
    for (int32_t i = 0; i < places * t->n; i++)
        wild |= (symbols[i] == -MAX_SYMBOL - 1) | ((rows[i] < skip) & (symbols[i] != 0));
    if (wild) return AEC_ARGUMENT;
    for (int32_t place = 0; place < places; place++, symbols += t->n) {
        size_t at = (size_t)b->places[t->pass & 1][place] * s->m + t->first;
        memcpy(b->symbols + at, symbols, t->n * sizeof *symbols);
        for (int32_t c = 0; c < t->n; c++)
            b->levels[at + c] = level_of(s, symbols[c]);
    }
    next_step(b);
    return AEC_OK;
}

/* Symbols as they are read: the level is above. Those of escapes are lengths at first. */
enum { LEVEL = 16, LENGTH = 1 << 24 };

INLINE uint32_t found(const aec_model *s, int32_t v)
{
    return (uint16_t)v | (uint32_t)level_of(s, v) << LEVEL;
}

/* Steps (b) and (c) of section 5. */
INLINE aec_status read_escapes(aec_slab *b, aec_reader *r, uint32_t n)
{
    const aec_model *s = b->model;
    for (uint32_t i = 0; i < n; i++)
        b->found[b->escapes[i] & NUMBERS] = LENGTH + read_uniform(r, 4);
    for (uint32_t bits = 0; bits < 16; bits++)
        for (uint32_t i = 0; i < n; i++) {
            uint32_t *to = b->found + (b->escapes[i] & NUMBERS);
            if (*to != LENGTH + bits) continue;
            uint32_t v = read_uniform(r, (int)bits + 1);
            int32_t x = s->row_max[b->escapes[i] >> NUMBER] + (int32_t)((1u << bits) + (v >> 1));
            if (x > MAX_SYMBOL) return AEC_DAMAGED;
            *to = found(s, v & 1 ? -x : x);
        }
    return AEC_OK;
}

/* Symbols by rows, of which each has those up to the beginning of the next one; returns
 * how many are escapes. */
INLINE uint32_t decode_rows(aec_slab *b, aec_reader *reader, const uint32_t *begins)
{
    const aec_model *s = b->model;
    aec_reader r = *reader; /* in registers */
    uint32_t escapes = 0;
    for (int row = s->skip[b->quality - 1]; row < ROWS; row++) {
        const alphabet a = s->rows[row];
        int32_t top = s->row_max[row], escape = 2 * top + 1;
        uint32_t zero = a.sums[top], often = a.sums[top + 1] - zero, nothing = found(s, 0);
        uint32_t end = row + 1 < ROWS ? begins[row + 1] : b->n_coded;
        if (often < TOTAL / 4 * 3) often = 0; /* then it is not worth asking first */
        for (uint32_t i = begins[row]; i < end; i++) {
            uint32_t q = r.state & (TOTAL - 1);
            if (q - zero < often) {
                advance(&r, q, zero, often);
                b->found[i] = nothing;
                continue;
            }
            uint64_t bucket = a.bucket[q >> a.shift];
            uint32_t c = bucket & (TOTAL - 1), f = (uint32_t)(bucket >> 40);
            int32_t index = (int32_t)(bucket >> 24 & 0xffff);
            while (q - c >= f) {
                index++;
                c += f;
                f = a.sums[index + 1] - c;
            }
            advance(&r, q, c, f);
            b->found[i] = found(s, index - top);
            if (index == escape) b->escapes[escapes++] = i | (uint32_t)row << NUMBER;
        }
    }
    *reader = r;
    return escapes;
}

/* Symbols to their places: of each row the next one, so that what is written lies side by
 * side. */
INLINE void place_found(aec_slab *b, uint32_t begins[QUARTERS][ROWS])
{
    const uint32_t *coded = b->coded, *found = b->found;
    uint32_t quarter = b->n_coded / QUARTERS;
    int16_t *symbols = b->symbols; /* bytes may lie anywhere, for all the compiler knows */
    uint8_t *levels = b->levels;
#define PLACE(j, i)                                                                         \
    do {                                                                                    \
        uint32_t at = coded[i] & NUMBERS, x = found[begins[j][coded[i] >> NUMBER]++];       \
        symbols[at] = (int16_t)x;                                                           \
        levels[at] = (uint8_t)(x >> LEVEL);                                                 \
    } while (0)
    for (uint32_t i = 0; i < quarter; i++)
        UNROLL(4) for (uint32_t j = 0; j < QUARTERS; j++)
            PLACE(j, j * quarter + i);
    for (uint32_t i = QUARTERS * quarter; i < b->n_coded; i++)
        PLACE(QUARTERS - 1, i);
#undef PLACE
}

INLINE aec_status read_step_any(aec_slab *b, aec_reader *r, line_of_rows *line,
                                list_of_bytes *bytes, list_of_pairs *pairs_of_x)
{
    if (!b->ready) make_rows_any(b, line, bytes, pairs_of_x);
    uint32_t begins[QUARTERS][ROWS];
    count_rows(b->coded, b->n_coded, begins);
    uint32_t escapes = decode_rows(b, r, begins[0]);
    aec_status status = escapes ? read_escapes(b, r, escapes) : AEC_OK;
    if (status) return status;
    place_found(b, begins);
    next_step(b);
    return AEC_OK;
}

/* The checksum without its inversions. */
static uint32_t crc_plain(const aec_model *s, uint32_t crc, size_t n, const int16_t *symbols)
{
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
    return crc;
}

#if KINDS
/* Four remainders of 128 bits side by side, each moved on over 64 bytes by products of
 * polynomials (Gopal et al., Fast CRC Computation Using PCLMULQDQ, Intel 2009). */
__attribute__((target("pclmul"))) static uint32_t crc_folded(const aec_model *s, uint32_t crc,
                                                            size_t n, const int16_t *symbols)
{
    if (n < 64) return crc_plain(s, crc, n, symbols);
    /* Remainders of x^(bits + 32) and x^(bits - 32), bit by bit reversed, twice. */
    const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m128i r[4];
    int16_t last[8];
    for (int i = 0; i < 4; i++)
        r[i] = _mm_loadu_si128((const void *)(symbols + 8 * i));
    r[0] = _mm_xor_si128(r[0], _mm_cvtsi32_si128((int)crc));
#define FOLDED(r, k) \
    _mm_xor_si128(_mm_clmulepi64_si128(r, k, 0x00), _mm_clmulepi64_si128(r, k, 0x11))
    for (n -= 32, symbols += 32; n >= 32; n -= 32, symbols += 32)
        for (int i = 0; i < 4; i++)
            r[i] = _mm_xor_si128(FOLDED(r[i], by_64),
                                 _mm_loadu_si128((const void *)(symbols + 8 * i)));
    for (int i = 1; i < 4; i++)
        r[i] = _mm_xor_si128(r[i], FOLDED(r[i - 1], by_16));
#undef FOLDED
    _mm_storeu_si128((void *)last, r[3]);
    return crc_plain(s, crc_plain(s, 0, 8, last), n, symbols);
}
#endif

/* The same functions for each kind of processor. */
#define FUNCTIONS(name, attribute, context, inputs, widest, lists, crc)                     \
    attribute static void make_rows_##name(aec_slab *b)                                     \
    {                                                                                       \
        make_rows_any(b, line_of_rows_##name, list_bytes_##lists, list_pairs_##lists);      \
    }                                                                                       \
    attribute static aec_status read_step_##name(aec_slab *b, aec_reader *r)                \
    {                                                                                       \
        return read_step_any(b, r, line_of_rows_##name, list_bytes_##lists,                 \
                             list_pairs_##lists);                                           \
    }                                                                                       \
    static const functions functions_##name = {                                             \
        multiply_##name, multiply_##context, inputs, widest, make_rows_##name,              \
        read_step_##name, crc};

MULTIPLY(plain, , 2, 3)
FUNCTIONS(plain, , plain, 2, 3, plain, crc_plain)

#if KINDS
MULTIPLY(avx2, AVX2, 2, 3)
MULTIPLY(avx2_bytes, AVX2, 4, 3)
FUNCTIONS(avx2, AVX2, avx2_bytes, 4, 3, avx2, crc_folded)
/* Sums that take longer, so more of them at once. */
MULTIPLY(avx512, AVX512, 2, 9)
MULTIPLY(avx512_bytes, AVX512, 4, 9)
FUNCTIONS(avx512, AVX512, avx512_bytes, 4, 9, avx2, crc_folded)

static const functions *best_functions(void)
{
    if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("bmi")
        || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt"))
        return &functions_plain;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512vnni"))
        return &functions_avx512;
    if (__builtin_cpu_supports("avx2")) return &functions_avx2;
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
    return ~s->run->crc(s, ~crc, n, symbols);
}
