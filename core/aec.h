/* aec.h: the exact path of the .aec picture format, from bytes to symbols and back.
 *
 * docs/format.md is the norm; sections 5 to 7 are what is here. A payload and the
 * integer tables of a model go in, the two arrays of symbols come out, or the other
 * way round. Only integers, so every machine gets the same. What surrounds the payload
 * (header, sections) and what follows from the symbols (the networks) is left to the
 * caller.
 *
 *     aec_model    the tables of a model, made ready
 *     aec_reader   one entropy stream that is read
 *     aec_writer   one entropy stream that is written
 *     aec_slab     the cells that are coded together, step by step
 *
 * Reading a stream (core/example.c is whole):
 *
 *     aec_stream(size, payload, n_slabs, i, &length, &bytes, &crc);
 *     aec_reader_init(&reader, length, bytes);
 *     aec_read_z(model, &reader, quality, n, hz, wz, z);         first stream only
 *     aec_slab_place(n, hy, wy, i, &place);
 *     aec_slab_init(slab_bytes, slab, model, &place, quality, z);
 *     aec_slab_read(slab, &reader);
 *     aec_reader_end(&reader);
 *     aec_slab_symbols(slab)                                     int16, n x h x w x M
 *
 * Writing is the same walk: aec_slab_rows, aec_write and aec_slab_put in turn.
 *
 * Rules that hold throughout: nothing is allocated, there is no global state, memory
 * comes from the caller with its size before it. Memory that is handed in as `void *`
 * has to be aligned to 8 bytes. A model is only read once it is made, so threads may
 * share it; readers, writers and slabs belong to one thread at a time. Any bytes given
 * as a stream, and any bytes given as tables, end in a result or a status. */
#ifndef AEC_H
#define AEC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    AEC_OK = 0,
    AEC_DAMAGED,  /* the stream is not one that an encoder wrote */
    AEC_MODEL,    /* the tables are not what section 9 says */
    AEC_ARGUMENT, /* a size, a quality or a symbol is out of range */
    AEC_MEMORY    /* the memory that was granted is too small */
} aec_status;

/* Largest number of cells in a slab, over all its pictures. */
#define AEC_MAX_CELLS 65536

/* ---- Model ---------------------------------------------------------------- */

/* Tables of a model as one run of bytes, little-endian, each array padded with zeros
 * to a multiple of 8 bytes. First 16 int32:
 *
 *     0x54434541, NZ, M, K, HYPER, Z_MAX, ROW_SKIP, bands, width of row_freq,
 *     number of parts, 6 zeros
 *
 * then the arrays of section 9, types and shapes as there, in this order: z_band,
 * z_freq, z_min, row_max, row_freq, skip (a model without: ROW_SKIP a hundred times),
 * level, w1, b1, w2, b2, bias, c1, c2, c3, and with parts: parts, expected, d0, d1, ..
 * Nothing follows. codec.symbols.core.flat writes them. */

typedef struct aec_model aec_model;

/* What describes a model's pictures. */
typedef struct {
    int32_t nz, m, k, z_max, steps;
} aec_sizes;

/* Bytes that aec_model_init needs for these tables, 0 if they are none. */
size_t aec_model_bytes(size_t size, const void *tables);

/* Make a model. The tables are checked, so that whatever a stream says every sum stays
 * exact, and are needed no longer. `memory` is the model from then on. */
aec_status aec_model_init(size_t bytes, void *memory, size_t size, const void *tables);

void aec_model_sizes(const aec_model *model, aec_sizes *sizes);

/* ---- Streams -------------------------------------------------------------- */

typedef struct {
    uint64_t state;
    size_t size, left;    /* bytes in all, and those that are not read yet */
    const uint8_t *bytes; /* of the caller, must stay */
} aec_reader;

/* Begin at a stream of `size` bytes, which must be a multiple of 4. */
aec_status aec_reader_init(aec_reader *reader, size_t size, const uint8_t *bytes);

/* Whether the stream is used up, as it must be at its end. */
aec_status aec_reader_end(const aec_reader *reader);

typedef struct {
    size_t capacity, used; /* of records */
    uint32_t *records;     /* of the caller, must stay */
} aec_writer;

/* Begin a stream. A record is an index that waits to be coded: a symbol takes one, or
 * three if it is an escape. */
void aec_writer_init(aec_writer *writer, size_t capacity, uint32_t *records);

/* Code all records, the last one first. `bytes` takes at most 4 for each record and 8
 * more; `*used` is the length of the stream. */
aec_status aec_writer_end(const aec_writer *writer, const aec_model *model, int quality,
                          size_t size, uint8_t *bytes, size_t *used);

/* z symbols of n pictures, int16 n x hz x wz x NZ. Quality is 1..100, Q of section 5.
 * A stream that is too short for so many is damaged; nothing is written then. Writing
 * takes a record for each symbol. */
aec_status aec_read_z(const aec_model *model, aec_reader *reader, int quality, int32_t n,
                      int32_t hz, int32_t wz, int16_t *z);
aec_status aec_write_z(const aec_model *model, aec_writer *writer, int quality, int32_t n,
                       int32_t hz, int32_t wz, const int16_t *z);

/* Code the n symbols of a step, whose scale indices are `rows`; those that are not coded
 * must be zero. There must be room for 4 n records. */
aec_status aec_write(const aec_model *model, aec_writer *writer, int quality, size_t n,
                     const int16_t *symbols, const uint8_t *rows);

/* ---- Slabs ---------------------------------------------------------------- */

/* Slabs of a picture of hz x wz positions of z, and so streams of its payload. */
int32_t aec_slab_count(int32_t hz, int32_t wz);

/* Stream i of a payload of n streams, and the checksum of its symbols, which for i = 0
 * is the header's and not set here. */
aec_status aec_stream(size_t size, const uint8_t *payload, int32_t n, int32_t i, size_t *length,
                      const uint8_t **bytes, uint32_t *crc);

/* Where a slab lies: in n pictures of hz x wz positions of z, the cells from row `top`
 * and column `left` on, both multiples of 4, `height` x `width` of them. */
typedef struct {
    int32_t n, hz, wz, top, left, height, width;
} aec_place;

/* The place of slab i in n pictures of hy x wy cells. */
aec_status aec_slab_place(int32_t n, int32_t hy, int32_t wy, int32_t i, aec_place *place);

typedef struct aec_slab aec_slab;

/* Bytes of a slab, 0 if no place may be like this. */
size_t aec_slab_bytes(const aec_model *model, const aec_place *place);

/* Make a slab: all its symbols are zero and its first step is next. z is that of the
 * whole pictures, each symbol within Z_MAX, and is needed no longer. */
aec_status aec_slab_init(size_t bytes, void *memory, const aec_model *model,
                         const aec_place *place, int quality, const int16_t *z);

/* A step: a pass, or a part of one. */
typedef struct {
    int32_t pass;     /* 0..3 */
    int32_t first, n; /* channels */
    int32_t places;   /* cells of the pass */
    int32_t last;     /* whether it ends the pass */
} aec_step;

/* The step that is next; AEC_ARGUMENT after the last one. */
aec_status aec_slab_step(const aec_slab *slab, aec_step *step);

/* Scale indices (R of section 7) of the step that is next: places x n of them, which
 * stay until aec_slab_put. Asking again is free. */
aec_status aec_slab_rows(aec_slab *slab, const uint8_t **rows);

/* Set the symbols of the step that is next, places x n of them, and go to the one after
 * it. Those that are not coded must be zero. */
aec_status aec_slab_put(aec_slab *slab, const int16_t *symbols);

/* Read all steps from the next one on. */
aec_status aec_slab_read(aec_slab *slab, aec_reader *reader);

/* The symbols so far: n x height x width x M, zero where they are not known, and how
 * many numbers that is. */
const int16_t *aec_slab_symbols(const aec_slab *slab);
size_t aec_slab_size(const aec_slab *slab);

/* ---- Checksum ------------------------------------------------------------- */

/* CRC-32 of section 4, of `crc` (0 at first) continued with more symbols. */
uint32_t aec_crc(const aec_model *model, uint32_t crc, size_t n, const int16_t *symbols);

#ifdef __cplusplus
}
#endif
#endif
