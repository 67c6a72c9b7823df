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
    uint64_t work; /* as table_cost counts it */
    uint64_t hash[TABLE_CONTEXTS];
    uint32_t *line[TABLE_CONTEXTS];
    int64_t guess[TABLE_GUESSES];
    int32_t guess_bucket[TABLE_GUESSES];
    int alive[TABLE_GUESSES]; /* the guesses that may still be right */
    int live;                 /* how many */
    int run[TABLE_GUESSES];
    uint32_t local;
    int32_t first; /* weight of all inputs */
    uint64_t opening; /* the key of most symbols' first lines */
    uint32_t rule[1024];  /* of predictions, by how often they were tried */
    uint32_t fresh[LINE];
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
    for (int i = 0; i < LINE; i++) m->fresh[i] = FRESH;
    for (int n = 0; n < 1024; n++) { /* 0, 1, 2, 3 for 3 and 4, 4 to 8, 5 to 19, 6 to 99, 7 */
        uint32_t class = n < 3 ? n : n < 5 ? 3 : n < 9 ? 4 : n < 20 ? 5 : n < 100 ? 6 : 7;
        m->rule[n] = c->recip[n] | class << 16 | (uint32_t)(n < c->limit) << 24;
    }
}

/* ---- The arithmetic coder --------------------------------------------------------- */

static inline uint32_t next_byte(coder *a)
{
    uint32_t byte = a->place < a->size ? a->from[a->place] : 0;
    a->place++;
    return byte;
}

/* Bytes that are the same in both ends of the interval go out, or others come in. */
static inline void shift(coder *a, direction way)
{
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
    shift(a, way);
    return bit;
}

/* So many bits of even odds. There is no telling them, so there is no branch on them. */
static inline uint64_t code_even(coder *a, direction way, int count, uint64_t bits)
{
    if (way == COST) {
        a->bits += count;
        return bits;
    }
    /* Counted from `low`: so fewer steps wait for each other. */
    uint32_t low = a->low, span = a->high - low, x = a->x - low;
    uint64_t found = 0;
    while (count--) {
        uint32_t half = span >> 1;
        uint32_t bit = way == DECODE ? x <= half : (uint32_t)(bits >> count & 1);
        uint32_t upper = bit - 1; /* all bits, or none */
        span = half - (~span & 1 & upper);
        x -= (half + 1) & upper;
        low += (half + 1) & upper;
        found = found << 1 | bit;
        if ((low ^ (low + span)) >> 24) continue;
        a->low = low, a->high = low + span;
        shift(a, way);
        low = a->low, span = a->high - low, x = a->x - low;
    }
    a->low = low, a->high = low + span;
    return found;
}

/* ---- Predictions ------------------------------------------------------------------ */

/* A prediction is a number: the odds of 1 in the upper 22 bits, how often it was tried in
 * the lower 10. What the latter says is in `rule`: how far to go, its class, what to add. */
static inline uint32_t learnt(uint32_t v, uint32_t rule, int bit)
{
    int32_t gap = (bit ? 4194303 : 0) - (int32_t)(v >> 10);
    int32_t change = (int32_t)(((int64_t)gap * (int32_t)(rule & 65535)) >> 16);
    return v + ((uint32_t)change << 10) + (rule >> 24);
}

static inline int class_of(uint32_t rule)
{
    return rule >> 16 & 255;
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
static inline void stage(mixer *m, direction way, uint64_t key)
{
    const int contexts = m->c->contexts;
    if (way == COST) m->work += 2 * (uint64_t)contexts;
    uint32_t check[TABLE_CONTEXTS];
    for (int j = 0; j < contexts; j++) { /* all at once on their way from memory */
        uint64_t h = hash_of(m->hash[j], key);
        check[j] = (uint32_t)h | 1;
        m->line[j] = line_of(m, j, h);
        FETCH(m->line[j]);
    }
    for (int j = 0; j < contexts; j++) {
        uint32_t *line = m->line[j];
        if (line[0] == check[j]) continue;
        memcpy(line, m->fresh, sizeof m->fresh);
        line[0] = check[j];
    }
    m->local = 1;
}

/* One decision by all predictions; `wanted` has what each guess that lives expects. */
static inline int decide(mixer *m, coder *a, direction way, int set, const int *wanted, int bit)
{
    const int contexts = m->c->contexts, live = m->live;
    const int16_t *stretch = m->c->stretch;
    int32_t x[INPUTS], *w[INPUTS];
    uint32_t v[INPUTS], rule[INPUTS], *slot[TABLE_GUESSES];
    int32_t *weights = m->weights + set * INPUTS * CONF;
    int32_t *bias = weights + (INPUTS - 1) * CONF;
    const uint32_t local = m->local;
    /* The bias begins with nothing: its weight is kept less the first of all. */
    int64_t dot = 256 * (int64_t)(*bias - m->first);
    for (int j = 0; j < contexts; j++) {
        v[j] = m->line[j][local];
        rule[j] = m->rule[v[j] & 1023];
        x[j] = stretch[v[j] >> 20]; /* nothing if it was never tried */
        w[j] = weights + j * CONF + class_of(rule[j]);
        dot += (int64_t)x[j] * *w[j];
    }
    for (int k = 0; k < live; k++) {
        int g = m->alive[k], j = contexts + k;
        slot[k] = m->trust + (g * SETS + set) * RUNS + m->run[g];
        v[j] = *slot[k];
        rule[j] = m->rule[v[j] & 1023];
        int32_t value = stretch[v[j] >> 20];
        x[j] = wanted[k] ? value : -value;
        w[j] = weights + (TABLE_CONTEXTS + g) * CONF + class_of(rule[j]);
        dot += (int64_t)x[j] * *w[j];
    }
    if (way == COST) m->work += 3 + (uint64_t)(contexts + live);
    dot >>= 16;
    int32_t d = dot > 3072 ? 3072 : dot < -3072 ? -3072 : (int32_t)dot;
    uint32_t p = m->c->squash[d + 3072];
    bit = code(a, way, p, bit);
    int32_t error = ((bit << 16) - (int32_t)p) * m->rate;
    *bias += (int32_t)(((int64_t)256 * error + (1 << 21)) >> 22);
    for (int j = 0; j < contexts; j++) {
        *w[j] += (int32_t)(((int64_t)x[j] * error + (1 << 21)) >> 22);
        m->line[j][local] = learnt(v[j], rule[j], bit);
    }
    int left = 0;
    for (int k = 0; k < live; k++) {
        int j = contexts + k, right = wanted[k] == bit;
        *w[j] += (int32_t)(((int64_t)x[j] * error + (1 << 21)) >> 22);
        *slot[k] = learnt(v[j], rule[j], right);
        m->alive[left] = m->alive[k];
        left += right;
    }
    m->live = left;
    m->local = local * 2 + (uint32_t)bit;
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

/* The hash of a context at symbol i, from symbols before `known`; others make it wrong. */
static inline uint64_t start_of(const mixer *m, int j, size_t i, const int64_t *symbols,
                                size_t known)
{
    const table_column *c = m->c;
    uint64_t h = (c->context[(size_t)j * c->n + i] + (uint64_t)1) * M1;
    for (int k = 0; k < 2; k++) {
        if (c->lag[2 * j + k] < 0) continue;
        int32_t at = c->at[(size_t)c->lag[2 * j + k] * c->n + i];
        uint64_t s = at < 0 || (size_t)at >= known ? M1
                     : c->coarse[j] ? (uint64_t)m->buckets[at] : (uint64_t)symbols[at];
        h = (h ^ h >> 31 ^ s) * M2;
    }
    return h ^ h >> 32;
}

/* Fetch the first lines of a later symbol, where they do not depend on those in between. */
static inline void fetch_first(const mixer *m, size_t i, const int64_t *symbols)
{
    const table_column *c = m->c;
    size_t later = i + AHEAD;
    if (later >= c->n) return;
    for (int j = 0; j < c->contexts; j++)
        FETCH(line_of(m, j, hash_of(start_of(m, j, later, symbols, i), m->opening)));
}

static inline void prepare(mixer *m, size_t i, const int64_t *symbols)
{
    const table_column *c = m->c;
    for (int j = 0; j < c->contexts; j++) m->hash[j] = start_of(m, j, i, symbols, i);
    const int64_t *given = c->guess;
    m->live = 0;
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
        if (m->guess_bucket[g] >= 0) m->alive[m->live++] = g;
    }
}

/* The turns to a bucket, the first one in the highest bit. */
static inline uint64_t turns_to(const table_column *c, int32_t bucket)
{
    return c->path[bucket] << ((64 - c->depth[bucket]) & 63);
}

/* The walk through the tree. */
static inline int32_t code_bucket(mixer *m, coder *a, direction way, int32_t bucket)
{
    const table_column *c = m->c;
    if (!c->nodes) return 0;
    uint64_t own = way == DECODE ? 0 : turns_to(c, bucket), guessed[TABLE_GUESSES];
    for (int k = 0; k < m->live; k++) guessed[m->alive[k]] = turns_to(c, m->guess_bucket[m->alive[k]]);
    int32_t node = 0;
    for (int depth = 0; node >= 0; depth++) {
        int wanted[TABLE_GUESSES];
        if (depth % 4 == 0) stage(m, way, (uint64_t)(uint32_t)node);
        for (int k = 0; k < m->live; k++)
            wanted[k] = (int)(guessed[m->alive[k]] << depth >> 63);
        int bit = decide(m, a, way, depth < 16 ? depth : 15, wanted, (int)(own << depth >> 63));
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
    for (; k < nbits && k < c->modelled; k++) {
        if (k % 4 == 0) stage(m, way, ((uint64_t)(uint32_t)bucket + 1) << 32 ^ (found << 5 | (uint64_t)k) * M2);
        int shift = nbits - 1 - k, wanted[TABLE_GUESSES];
        for (int g = 0; g < m->live; g++)
            wanted[g] = (int)(((uint64_t)m->guess[m->alive[g]] - (uint64_t)c->base[bucket]) >> shift & 1);
        int bit = decide(m, a, way, k < 22 ? 16 + k : 38, wanted, (int)(place >> shift & 1));
        found = found << 1 | (uint64_t)bit;
    }
    if (k == nbits) return found;
    return found << (nbits - k) | code_even(a, way, nbits - k, place);
}

static inline int run_all(const table_column *c, void *memory, coder *a, direction way,
                          const int64_t *known, int64_t *symbols, uint64_t *work)
{
    mixer m;
    mixer_init(&m, c, memory);
    const int64_t *before = way == DECODE ? symbols : known;
    for (size_t i = 0; i < c->n; i++) {
        fetch_first(&m, i, before);
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
        if (c->hit && m.guess_bucket[0] >= 0) {
            int wanted[TABLE_GUESSES], live = m.live, alive[TABLE_GUESSES];
            for (int k = 0; k < live; k++) wanted[k] = m.guess[m.alive[k]] == m.guess[0];
            memcpy(alive, m.alive, sizeof alive);
            stage(&m, way, M1);
            done = decide(&m, a, way, 39, wanted, way != DECODE && symbol == m.guess[0]);
            if (done) {
                bucket = m.guess_bucket[0], symbol = m.guess[0];
            } else { /* guesses that are the same are wrong as well */
                m.live = 0;
                for (int k = 0; k < live; k++)
                    if (!wanted[k]) m.alive[m.live++] = alive[k];
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
    if (work) *work = m.work;
    return 1;
}

size_t table_encode(const table_column *c, void *memory, const int64_t *symbols,
                    uint8_t *to, size_t capacity)
{
    coder a = {.high = UINT32_MAX, .to = to, .size = capacity};
    if (!run_all(c, memory, &a, ENCODE, symbols, NULL, NULL)) return SIZE_MAX;
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

double table_cost(const table_column *c, void *memory, const int64_t *symbols, uint64_t *work)
{
    coder a = {.product = 1};
    if (!run_all(c, memory, &a, COST, symbols, NULL, work)) return -1;
    return a.bits - log2(a.product);
}

int table_decode(const table_column *c, void *memory, const uint8_t *from, size_t size,
                 int64_t *symbols)
{
    coder a = {.high = UINT32_MAX, .from = from, .size = size};
    for (int i = 0; i < 4; i++) a.x = a.x << 8 | next_byte(&a);
    if (!run_all(c, memory, &a, DECODE, NULL, symbols, NULL)) return 1;
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
