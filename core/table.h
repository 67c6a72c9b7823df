/* Symbols of a column of a table <-> bytes (docs/format.md, section 13).
 *
 * A symbol is written as binary decisions: a walk through a tree to a bucket, then the
 * bits of the place in it. Each decision is predicted by contexts, which learn as they
 * go, and a mixer, which learns whom to trust; an arithmetic coder writes what they did
 * not know. Everything is integers. codec/table/mixing.py is the same in Python and the
 * judge.
 *
 * The caller owns all memory. Arrays have n numbers for n symbols unless said otherwise;
 * nothing is read outside of them whatever the bytes are. */

#ifndef AEC_TABLE_H
#define AEC_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { TABLE_CONTEXTS = 12, TABLE_GUESSES = 4 };

/* What is known of a column before its first symbol. */
typedef struct {
    size_t n;
    /* The tree: two children of each node, a node or ~bucket. Buckets are disjoint and
     * ascend; bucket b holds base[b] .. base[b] + 2^nbits[b] - 1. */
    int32_t nodes, buckets;
    const int32_t *child;
    const int64_t *base;
    const uint8_t *nbits;
    const uint64_t *path; /* the turns from the root, last one in the lowest bit */
    const uint8_t *depth; /* how many, at most 64 */
    int32_t modelled;     /* upper bits of a place that contexts predict */
    /* Contexts: a number for each symbol, joined with the symbols at up to two earlier
     * places where `lag` names rows of `at`, else -1; `coarse`: their buckets instead. */
    int32_t contexts;
    const uint32_t *context; /* contexts x n */
    const int8_t *lag;       /* contexts x 2 */
    const uint8_t *coarse;   /* contexts */
    int32_t lags;
    const int32_t *at; /* lags x n: an earlier place, or -1 */
    /* Guesses: the symbol at a lag, or given. */
    int32_t guesses;
    const int8_t *guess_lag; /* guesses; -1: the next row of `guess` */
    const int64_t *guess;
    int32_t hit;   /* whether the first decision is if guess 0 is right */
    int32_t bits;  /* a context has 2^bits lines */
    int32_t limit; /* of what a prediction counts, 1..1023 */
    int32_t rate;  /* of the mixer */
    /* By codec/table/mixing.py. */
    const int16_t *stretch;  /* 4096 */
    const uint16_t *squash;  /* 6145 */
    const uint16_t *recip;   /* 1024 */
} table_column;

/* Bytes of memory that a column needs, all of them zero: many are never touched. */
size_t table_memory(const table_column *c);

/* Write symbols; `capacity` bytes suffice if it is 16 n + 64 at least per 64 decisions:
 * nothing is written beyond it. The bytes used, or SIZE_MAX if a symbol is in no bucket
 * or there is no room. */
size_t table_encode(const table_column *c, void *memory, const int64_t *symbols,
                    uint8_t *to, size_t capacity);

/* Bits that table_encode would write, negative if a symbol is in no bucket. `work` is how
 * long decoding takes, in units of about 7 ns: a decision 3 and 1 for each prediction,
 * a line of a context 2. */
double table_cost(const table_column *c, void *memory, const int64_t *symbols, uint64_t *work);

/* Read symbols; 0 if the bytes are used up exactly, as the encoder leaves them. */
int table_decode(const table_column *c, void *memory, const uint8_t *from, size_t size,
                 int64_t *symbols);

/* A column that is predicted: value = prediction + step * symbol, where prediction =
 * given + (sum of weight[k] * (value - given, lag[k] rows before) >> 12). Sums wrap. */
typedef struct {
    size_t n;
    const int64_t *given; /* or NULL, for zeros */
    int32_t lags;
    const int32_t *lag;
    const int32_t *weight;
    int64_t step; /* at least 1 */
} table_prediction;

/* Symbols whose values are nearest to `wanted`, and those values. */
void table_residual(const table_prediction *p, const int64_t *wanted, int64_t *symbols,
                    int64_t *values);

/* The values of symbols. */
void table_restore(const table_prediction *p, const int64_t *symbols, int64_t *values);

#endif
