#include "table.h"

#include <math.h>
#include <string.h>

enum {
    LINE = 16,  /* a check and the 15 nodes of four decisions */
    CONF = 8,   /* classes of how often a prediction was tried */
    SETS = 40,  /* of weights: 16 depths of the tree, 23 bits of a place, the hit */
    AHEAD = 6,  /* symbols, of which lines are fetched */
    RUNS = 8,   /* classes of how often a guess was right of late */
    INPUTS = TABLE_CONTEXTS + TABLE_GUESSES + 1,
};

#if defined(__GNUC__)
#define FETCH(p) __builtin_prefetch((p), 1)
#else
#define FETCH(p) (void)(p)
#endif

static const uint64_t M1 = 0x9E3779B97F4A7C15, M2 = 0xBF58476D1CE4E5B9,
                      M3 = 0x94D049BB133111EB;
static const uint32_t FRESH = (uint32_t)1 << 31; /* even odds, never tried */

typedef enum { ENCODE, DECODE, COST } direction;

typedef struct {
    uint32_t low, high, x;
    const uint8_t *from;
    size_t size, place;
    uint8_t *to;
    double product, bits;
} coder;

typedef struct {
    const table_column *c;
    uint32_t *lines;   /* contexts x 2^bits x LINE */
    uint32_t *trust;   /* guesses x SETS x RUNS */
    int32_t *weights;  /* SETS x INPUTS x CONF */
    int32_t *buckets;  /* of earlier symbols */
    int32_t rate;
    uint64_t hash[TABLE_CONTEXTS];
    uint32_t *line[TABLE_CONTEXTS];
    int64_t guess[TABLE_GUESSES];
    int32_t guess_bucket[TABLE_GUESSES];
    uint8_t alive[TABLE_GUESSES];
    uint8_t run[TABLE_GUESSES];
    uint32_t local;
    int32_t first; /* weight of all inputs */
    uint64_t opening; /* the key of most symbols' first lines */
    uint8_t confidence[1024];
} mixer;

static size_t lines_of(const table_column *c)
{
    return ((size_t)c->contexts << c->bits) * LINE;
}

size_t table_memory(const table_column *c)
{
    size_t weights = (size_t)SETS * INPUTS * CONF, trust = TABLE_GUESSES * SETS * RUNS;
    return 64 + 4 * (lines_of(c) + trust + weights + c->n);
}

static void mixer_init(mixer *m, const table_column *c, void *memory)
{
    memset(m, 0, sizeof *m);
    m->c = c;
    uintptr_t start = ((uintptr_t)memory + 63) & ~(uintptr_t)63;
    m->lines = (uint32_t *)start;
    m->trust = m->lines + lines_of(c);
    m->weights = (int32_t *)(m->trust + TABLE_GUESSES * SETS * RUNS);
    m->buckets = m->weights + SETS * INPUTS * CONF;
    for (int i = 0; i < TABLE_GUESSES * SETS * RUNS; i++) m->trust[i] = FRESH;
    m->opening = c->hit ? M1 : c->nodes ? 0 : (uint64_t)1 << 32;
    m->first = 98304 / (c->contexts + c->guesses + 1);
    for (int i = 0; i < SETS * INPUTS * CONF; i++) m->weights[i] = m->first;
    for (int n = 0; n < 1024; n++)
        m->confidence[n] = (uint8_t)(n < 3 ? n : n < 5 ? 3 : n < 9 ? 4 : n < 20 ? 5 : n < 100 ? 6 : 7);
}

/* ---- The arithmetic coder --------------------------------------------------------- */

static inline uint32_t next_byte(coder *a)
{
    uint32_t byte = a->place < a->size ? a->from[a->place] : 0;
    a->place++;
    return byte;
}

/* One decision, whose odds of 1 are p / 65536. */
static inline int code(coder *a, direction way, uint32_t p, int bit)
{
    if (way == COST) {
        a->product *= (bit ? p : 65536 - p) * (1.0 / 65536);
        if (a->product < 1e-200) a->bits -= log2(a->product), a->product = 1;
        return bit;
    }
    uint32_t span = a->high - a->low;
    uint32_t middle = a->low + (uint32_t)(((uint64_t)span * p) >> 16);
    if (way == DECODE) bit = a->x <= middle;
    if (bit) a->high = middle;
    else a->low = middle + 1;
    while (!((a->low ^ a->high) >> 24)) {
        if (way == ENCODE) {
            if (a->place < a->size) a->to[a->place] = (uint8_t)(a->high >> 24);
            a->place++;
        } else {
            a->x = a->x << 8 | next_byte(a);
        }
        a->low <<= 8;
        a->high = a->high << 8 | 255;
    }
    return bit;
}

/* ---- Predictions ------------------------------------------------------------------ */

/* A prediction: the odds of 1 in the upper 22 bits, how often it was tried in the lower 10. */
static inline void learn(const table_column *c, uint32_t *slot, int bit)
{
    uint32_t v = *slot, n = v & 1023, p = v >> 10;
    int32_t gap = (int32_t)((bit ? 4194303 : 0)) - (int32_t)p;
    p = (uint32_t)((int32_t)p + (int32_t)(((int64_t)gap * c->recip[n]) >> 16));
    *slot = p << 10 | (n < (uint32_t)c->limit ? n + 1 : n);
}

/* Its class by how often it was tried: 0, 1, 2, 3 for 3 and 4, 4 to 8, 5 to 19, 6 to 99, 7. */
static inline int confidence(const mixer *m, uint32_t slot)
{
    return m->confidence[slot & 1023];
}

static inline uint64_t hash_of(uint64_t start, uint64_t key)
{
    uint64_t h = (start + key) * M3;
    return (h ^ h >> 29) * M1;
}

static inline uint32_t *line_of(const mixer *m, int j, uint64_t h)
{
    const table_column *c = m->c;
    return m->lines + (((size_t)j << c->bits) + (size_t)(h >> (64 - c->bits))) * LINE;
}

/* Lines of all contexts for the next four decisions, of which `key` names the first. */
static inline void stage(mixer *m, uint64_t key)
{
    const table_column *c = m->c;
    uint32_t check[TABLE_CONTEXTS];
    for (int j = 0; j < c->contexts; j++) { /* all at once on their way from memory */
        uint64_t h = hash_of(m->hash[j], key);
        check[j] = (uint32_t)h | 1;
        m->line[j] = line_of(m, j, h);
        FETCH(m->line[j]);
    }
    for (int j = 0; j < c->contexts; j++) {
        uint32_t *line = m->line[j];
        if (line[0] == check[j]) continue;
        line[0] = check[j];
        for (int i = 1; i < LINE; i++) line[i] = FRESH;
    }
    m->local = 1;
}

/* One decision by all predictions; `wanted` has what each guess expects. */
static inline int decide(mixer *m, coder *a, direction way, int set, const int *wanted, int bit)
{
    const table_column *c = m->c;
    int32_t x[INPUTS], *w[INPUTS];
    uint32_t *slot[INPUTS];
    int32_t *weights = m->weights + set * INPUTS * CONF;
    int n = 0;
    int64_t dot = 0;
    for (int j = 0; j < c->contexts; j++) {
        uint32_t *s = m->line[j] + m->local;
        int conf = confidence(m, *s);
        slot[n] = s;
        x[n] = conf ? c->stretch[*s >> 20] : 0;
        w[n] = weights + j * CONF + conf;
        dot += (int64_t)x[n] * *w[n];
        n++;
    }
    int contexts = n;
    for (int g = 0; g < c->guesses; g++) {
        if (!m->alive[g]) continue;
        uint32_t *s = m->trust + (g * SETS + set) * RUNS + m->run[g];
        int32_t value = c->stretch[*s >> 20];
        slot[n] = s;
        x[n] = wanted[g] ? value : -value;
        w[n] = weights + (TABLE_CONTEXTS + g) * CONF + confidence(m, *s);
        dot += (int64_t)x[n] * *w[n];
        n++;
    }
    x[n] = 256;
    w[n] = weights + (INPUTS - 1) * CONF;
    /* The bias begins with nothing: its weight is kept less the first of all. */
    dot += 256 * (int64_t)(*w[n] - m->first);
    n++;
    dot >>= 16;
    int32_t d = dot > 3072 ? 3072 : dot < -3072 ? -3072 : (int32_t)dot;
    uint32_t p = c->squash[d + 3072];
    bit = code(a, way, p, bit);
    int32_t error = ((bit << 16) - (int32_t)p) * m->rate;
    for (int i = 0; i < n; i++)
        *w[i] += (int32_t)(((int64_t)x[i] * error + (1 << 21)) >> 22);
    for (int i = 0; i < contexts; i++) learn(c, slot[i], bit);
    for (int i = contexts, g = 0; i < n - 1; i++, g++) {
        while (!m->alive[g]) g++;
        learn(c, slot[i], wanted[g] == bit);
    }
    for (int g = 0; g < c->guesses; g++) m->alive[g] &= wanted[g] == bit;
    m->local = m->local * 2 + (uint32_t)bit;
    return bit;
}

/* ---- Symbols ---------------------------------------------------------------------- */

static inline int32_t bucket_of(const table_column *c, int64_t symbol)
{
    int32_t low = 0, high = c->buckets;
    while (low < high) { /* the last bucket whose base is not above */
        int32_t middle = (low + high) / 2;
        if (c->base[middle] <= symbol) low = middle + 1;
        else high = middle;
    }
    if (!low) return -1;
    uint64_t place = (uint64_t)symbol - (uint64_t)c->base[low - 1];
    return place >> c->nbits[low - 1] ? -1 : low - 1;
}

static inline uint64_t start_of(const table_column *c, int j, size_t i)
{
    return (c->context[(size_t)j * c->n + i] + (uint64_t)1) * M1;
}

/* Fetch the first lines of a later symbol, where they do not depend on earlier ones. */
static inline void fetch_first(const mixer *m, size_t i)
{
    const table_column *c = m->c;
    if (i >= c->n) return;
    for (int j = 0; j < c->contexts; j++) {
        if (c->lag[2 * j] >= 0 || c->lag[2 * j + 1] >= 0) continue;
        uint64_t h = start_of(c, j, i);
        FETCH(line_of(m, j, hash_of(h ^ h >> 32, m->opening)));
    }
}

static inline void prepare(mixer *m, size_t i, const int64_t *symbols)
{
    const table_column *c = m->c;
    for (int j = 0; j < c->contexts; j++) {
        uint64_t h = start_of(c, j, i);
        for (int k = 0; k < 2; k++) {
            if (c->lag[2 * j + k] < 0) continue;
            int32_t at = c->at[(size_t)c->lag[2 * j + k] * c->n + i];
            uint64_t s = at < 0 ? M1 : c->coarse[j] ? (uint64_t)m->buckets[at]
                                                    : (uint64_t)symbols[at];
            h = (h ^ h >> 31 ^ s) * M2;
        }
        m->hash[j] = h ^ h >> 32;
    }
    const int64_t *given = c->guess;
    for (int g = 0; g < c->guesses; g++) {
        int32_t at = 0;
        if (c->guess_lag[g] < 0) {
            m->guess[g] = given[i];
            given += c->n;
        } else {
            at = c->at[(size_t)c->guess_lag[g] * c->n + i];
            if (at >= 0) m->guess[g] = symbols[at];
        }
        m->guess_bucket[g] = at < 0 ? -1 : bucket_of(c, m->guess[g]);
        m->alive[g] = m->guess_bucket[g] >= 0;
    }
}

static inline int turn(const table_column *c, int32_t bucket, int depth)
{
    return (int)(c->path[bucket] >> (c->depth[bucket] - 1 - depth) & 1);
}

/* The walk through the tree. */
static inline int32_t code_bucket(mixer *m, coder *a, direction way, int32_t bucket)
{
    const table_column *c = m->c;
    int32_t node = c->nodes ? 0 : ~0;
    int wanted[TABLE_GUESSES] = {0};
    for (int depth = 0; node >= 0; depth++) {
        if (depth % 4 == 0) stage(m, (uint64_t)(uint32_t)node);
        for (int g = 0; g < c->guesses; g++)
            if (m->alive[g]) wanted[g] = turn(c, m->guess_bucket[g], depth);
        int bit = way == DECODE ? 0 : turn(c, bucket, depth);
        bit = decide(m, a, way, depth < 16 ? depth : 15, wanted, bit);
        node = c->child[2 * node + bit];
    }
    return ~node;
}

/* The place in the bucket: its upper bits by the contexts, the others as they are. */
static inline uint64_t code_place(mixer *m, coder *a, direction way, int32_t bucket, uint64_t place)
{
    const table_column *c = m->c;
    int nbits = c->nbits[bucket], k = 0;
    uint64_t found = 0;
    int wanted[TABLE_GUESSES] = {0};
    for (; k < nbits && k < c->modelled; k++) {
        if (k % 4 == 0) stage(m, ((uint64_t)(uint32_t)bucket + 1) << 32 ^ (found << 5 | (uint64_t)k) * M2);
        int shift = nbits - 1 - k;
        for (int g = 0; g < c->guesses; g++)
            if (m->alive[g])
                wanted[g] = (int)(((uint64_t)m->guess[g] - (uint64_t)c->base[bucket]) >> shift & 1);
        int bit = decide(m, a, way, k < 22 ? 16 + k : 38, wanted, (int)(place >> shift & 1));
        found = found << 1 | (uint64_t)bit;
    }
    for (; k < nbits; k++)
        found = found << 1 | (uint64_t)code(a, way, 32768, (int)(place >> (nbits - 1 - k) & 1));
    return found;
}

static inline int run_all(const table_column *c, void *memory, coder *a, direction way,
                          const int64_t *known, int64_t *symbols)
{
    mixer m;
    mixer_init(&m, c, memory);
    const int64_t *before = way == DECODE ? symbols : known;
    for (size_t i = 0; i < c->n; i++) {
        fetch_first(&m, i + AHEAD);
        prepare(&m, i, before);
        m.rate = c->rate + (int32_t)(c->rate * 1024 / (i + 128));
        int32_t bucket = -1;
        int64_t symbol = 0;
        if (way != DECODE) {
            symbol = known[i];
            bucket = bucket_of(c, symbol);
            if (bucket < 0) return 0;
        }
        int done = 0;
        if (c->hit && m.alive[0]) {
            int wanted[TABLE_GUESSES];
            wanted[0] = 1;
            for (int g = 1; g < c->guesses; g++)
                wanted[g] = m.guess[g] == m.guess[0];
            uint8_t alive[TABLE_GUESSES];
            memcpy(alive, m.alive, sizeof alive);
            stage(&m, M1);
            done = decide(&m, a, way, 39, wanted, way != DECODE && symbol == m.guess[0]);
            memcpy(m.alive, alive, sizeof alive);
            if (done) {
                bucket = m.guess_bucket[0], symbol = m.guess[0];
            } else { /* guesses that are the same are wrong as well */
                for (int g = 0; g < c->guesses; g++)
                    m.alive[g] &= m.guess[g] != m.guess[0];
            }
        }
        if (!done) {
            bucket = code_bucket(&m, a, way, bucket);
            uint64_t base = (uint64_t)c->base[bucket];
            symbol = (int64_t)(base + code_place(&m, a, way, bucket, (uint64_t)symbol - base));
        }
        if (way == DECODE) {
            symbols[i] = symbol;
            if (a->place > a->size + 4) return 0;
        }
        m.buckets[i] = bucket;
        for (int g = 0; g < c->guesses; g++)
            if (m.guess_bucket[g] >= 0) {
                if (m.guess[g] != symbol) m.run[g] = m.run[g] > 2 ? 2 : 0;
                else if (m.run[g] < RUNS - 1) m.run[g]++;
            }
    }
    return 1;
}

size_t table_encode(const table_column *c, void *memory, const int64_t *symbols,
                    uint8_t *to, size_t capacity)
{
    coder a = {.high = UINT32_MAX, .to = to, .size = capacity};
    if (!run_all(c, memory, &a, ENCODE, symbols, NULL)) return SIZE_MAX;
    /* One byte tells the last interval from others, where zeros follow. */
    uint32_t last = a.low ? (a.low >> 24) + 1 : 0;
    if (last > 255 || (last << 24) > a.high) {
        for (int i = 0; i < 4; i++) {
            if (a.place < a.size) a.to[a.place] = (uint8_t)(a.high >> (24 - 8 * i));
            a.place++;
        }
    } else if (last) {
        if (a.place < a.size) a.to[a.place] = (uint8_t)last;
        a.place++;
    }
    if (a.place > a.size) return SIZE_MAX;
    return a.place;
}

double table_cost(const table_column *c, void *memory, const int64_t *symbols)
{
    coder a = {.product = 1};
    if (!run_all(c, memory, &a, COST, symbols, NULL)) return -1;
    return a.bits - log2(a.product);
}

int table_decode(const table_column *c, void *memory, const uint8_t *from, size_t size,
                 int64_t *symbols)
{
    coder a = {.high = UINT32_MAX, .from = from, .size = size};
    for (int i = 0; i < 4; i++) a.x = a.x << 8 | next_byte(&a);
    if (!run_all(c, memory, &a, DECODE, NULL, symbols)) return 1;
    return a.place - 4 > size || a.place < size;
}

/* ---- Predicted columns ------------------------------------------------------------ */

static inline uint64_t given_at(const table_prediction *p, size_t i)
{
    return p->given ? (uint64_t)p->given[i] : 0;
}

static inline uint64_t predict(const table_prediction *p, size_t i, const int64_t *values)
{
    uint64_t sum = 0;
    for (int k = 0; k < p->lags; k++) {
        size_t lag = (size_t)p->lag[k];
        if (lag > i) continue;
        uint64_t gap = (uint64_t)values[i - lag] - given_at(p, i - lag);
        sum += (uint64_t)(int64_t)p->weight[k] * gap;
    }
    return given_at(p, i) + (uint64_t)((int64_t)(sum + 2048) >> 12);
}

void table_residual(const table_prediction *p, const int64_t *wanted, int64_t *symbols,
                    int64_t *values)
{
    int64_t step = p->step, half = step / 2;
    for (size_t i = 0; i < p->n; i++) {
        uint64_t at = predict(p, i, values);
        int64_t gap = (int64_t)((uint64_t)wanted[i] - at), s = gap;
        if (step > 1) { /* to the nearest; a remainder is at most half a step */
            s = gap / step;
            int64_t rest = gap % step;
            if (rest > half) s++;
            else if (rest < -half) s--;
        }
        symbols[i] = s;
        values[i] = (int64_t)(at + (uint64_t)step * (uint64_t)s);
    }
}

void table_restore(const table_prediction *p, const int64_t *symbols, int64_t *values)
{
    for (size_t i = 0; i < p->n; i++)
        values[i] = (int64_t)(predict(p, i, values)
                              + (uint64_t)p->step * (uint64_t)symbols[i]);
}
