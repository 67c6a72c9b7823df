/* Hands bytes to the core as a stream, an index and tables: nothing may be read or
 * written that is not its own. For libFuzzer and AFL by LLVMFuzzerTestOneInput; by
 * itself it makes inputs of its own:
 *
 *     cc -g -O2 -fsanitize=address,undefined -fno-sanitize-recover=all \
 *         core/fuzz.c core/aec.c -o fuzz
 *     ./fuzz TABLES RUNS SEED [FILE...]
 *     ./fuzz TABLES 0 CRASHER...
 *
 * Files are .aec files, which it bends. An input that ends the program, or takes longer
 * than ten seconds of processor time, is left in ./crasher-SEED, for the second call.
 *
 * What an input does: byte 0 is the quality, 1 and 2 the size in cells, 3 what to do; the
 * rest is the payload. */
#define _XOPEN_SOURCE 700
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "aec.h"

enum { MOST = 1 << 22 };

static aec_model *model;
static aec_sizes sizes;
static uint8_t *tables;
static size_t n_tables;

static void load(const char *name)
{
    FILE *f = fopen(name, "rb");
    tables = malloc(MOST);
    n_tables = f ? fread(tables, 1, MOST, f) : 0;
    if (f) fclose(f);
    size_t n = aec_model_bytes(n_tables, tables);
    model = malloc(n + 1);
    if (!n || aec_model_init(n, model, n_tables, tables)) exit(2);
    aec_model_sizes(model, &sizes);
}

/* Writes what was read; it must come out the same. */
static void write_again(int quality, const aec_place *p, const int16_t *z,
                        const aec_slab *read, size_t size, const uint8_t *stream)
{
    size_t n_slab = aec_slab_bytes(model, p), nz = (size_t)p->hz * p->wz * sizes.nz, used;
    size_t n = 4 * aec_slab_size(read) + nz;
    uint32_t *records = malloc(n * sizeof *records);
    aec_slab *slab = malloc(n_slab);
    uint8_t *bytes = malloc(4 * n + 8);
    const int16_t *s = aec_slab_symbols(read);
    int16_t *symbols = malloc(aec_slab_size(read) * sizeof *symbols);
    aec_writer w;
    aec_step step;
    const uint8_t *rows;
    aec_writer_init(&w, n, records);
    if (aec_slab_init(n_slab, slab, model, p, quality, z)) abort();
    if (aec_write_z(model, &w, quality, 1, p->hz, p->wz, z)) abort();
    while (!aec_slab_step(slab, &step)) {
        if (aec_slab_rows(slab, &rows)) abort();
        int16_t *to = symbols;
        for (int32_t cell = 0; cell < p->height * p->width; cell++)
            if (((cell / p->width + cell % p->width) & 1) == (step.pass & 1)) {
                memcpy(to, s + (size_t)cell * sizes.m + step.first, step.n * sizeof *to);
                to += step.n;
            }
        size_t count = (size_t)step.places * step.n;
        if (aec_write(model, &w, quality, count, symbols, rows)) abort();
        if (aec_slab_put(slab, symbols)) abort();
    }
    if (aec_writer_end(&w, model, quality, 4 * n + 8, bytes, &used)) abort();
    if (used != size || memcmp(bytes, stream, size)) abort();
    free(records), free(slab), free(bytes), free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!model) load(getenv("AEC_TABLES"));
    if (size < 4) return 0;
    int quality = data[0] % 100 + 1;
    int32_t hy = data[1] % 41 + 1, wy = data[2] % 41 + 1, hz = (hy + 3) / 4, wz = (wy + 3) / 4;
    if (data[3] == 255) { /* tables with some of their bytes changed */
        for (size_t i = 4; i + 4 <= size; i += 4) {
            size_t at = (data[i] | data[i + 1] << 8 | data[i + 2] << 16) % n_tables;
            tables[i % 3 ? at : at % 64] ^= data[i + 3];
        }
        size_t n = aec_model_bytes(n_tables, tables);
        void *other = malloc(n + 1);
        if (n && aec_model_init(n, other, n_tables, tables)) abort();
        free(other);
        for (size_t i = 4; i + 4 <= size; i += 4) {
            size_t at = (data[i] | data[i + 1] << 8 | data[i + 2] << 16) % n_tables;
            tables[i % 3 ? at : at % 64] ^= data[i + 3];
        }
        return 0;
    }
    size_t n_payload = (size - 4) / 4 * 4, length;
    uint8_t *payload = malloc(n_payload + 1);
    const uint8_t *stream;
    memcpy(payload, data + 4, n_payload);
    int16_t *z = malloc((size_t)hz * wz * sizes.nz * sizeof *z);
    int32_t n_slabs = aec_slab_count(hz, wz);
    for (int32_t i = 0; i < n_slabs; i++) {
        aec_place p;
        aec_reader reader;
        uint32_t crc;
        if (aec_stream(n_payload, payload, n_slabs, i, &length, &stream, &crc)
            || aec_reader_init(&reader, length, stream)
            || (!i && aec_read_z(model, &reader, quality, 1, hz, wz, z))
            || aec_slab_place(1, hy, wy, i, &p))
            break;
        size_t n_slab = aec_slab_bytes(model, &p);
        aec_slab *slab = malloc(n_slab);
        if (aec_slab_init(n_slab, slab, model, &p, quality, z)) abort();
        int good = !aec_slab_read(slab, &reader) && !aec_reader_end(&reader);
        if (good && n_slabs == 1) write_again(quality, &p, z, slab, length, stream);
        free(slab);
    }
    free(payload), free(z);
    return 0;
}

#ifndef FUZZER
static uint64_t state;
static uint8_t input[1 << 14];
static size_t n_input;
static char crasher[64];

#define OPTIONS(name)       \
    const char *name(void); \
    const char *name(void) { return "abort_on_error=1:handle_abort=0"; }
OPTIONS(__asan_default_options)
OPTIONS(__ubsan_default_options)

static void keep(int number)
{
    FILE *f = fopen(crasher, "wb");
    if (f) fwrite(input, 1, n_input, f), fclose(f);
    _exit(128 + number);
}

static uint32_t any(uint32_t n)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return n ? (uint32_t)(state >> 16) % n : 0;
}

/* An input of a file of one picture that is small enough. */
static size_t from_file(const char *name, uint8_t *to)
{
    static uint8_t b[1 << 20];
    FILE *f = fopen(name, "rb");
    size_t n = f ? fread(b, 1, sizeof b, f) : 0;
    if (f) fclose(f);
    if (n < 32) return 0;
    size_t payload = b[24] | b[25] << 8 | b[26] << 16;
    int width = b[14] | b[15] << 8, height = b[16] | b[17] << 8;
    if (payload + 32 > n || width > 656 || height > 656 || payload > 8000) return 0;
    to[0] = (uint8_t)(((b[18] | b[19] << 8) + 50) / 100 - 1);
    to[1] = (uint8_t)((height + 15) / 16 - 1), to[2] = (uint8_t)((width + 15) / 16 - 1);
    to[3] = 0;
    memcpy(to + 4, b + n - 4 - payload, payload);
    return payload + 4;
}

/* An input of the program's own, or of one of the files. */
static size_t make_input(int n_files, char **files)
{
    size_t n = n_files && any(8) ? from_file(files[any(n_files)], input) : 0;
    if (!n) {
        n = 4 + 4 * any(60);
        for (size_t i = 0; i < n; i++)
            input[i] = (uint8_t)any(256);
        input[1] %= 6, input[2] %= 6; /* so that z is found to be long enough */
    }
    for (uint32_t bends = any(4); bends--;)
        input[any((uint32_t)n)] ^= (uint8_t)(1 << any(8));
    if (!any(8)) n = 4 + any((uint32_t)n - 3);
    if (!any(16)) input[1 + any(2)] = (uint8_t)any(256);
    if (any(64) == 0) input[3] = 255;
    return n;
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    load(argv[1]);
    long runs = atol(argv[2]);
    const struct itimerval ten_seconds = {{0, 0}, {10, 0}};
    for (int i = 3; !runs && i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) return 2;
        LLVMFuzzerTestOneInput(input, fread(input, 1, sizeof input, f));
        fclose(f);
    }
    state = 0x9e3779b97f4a7c15u ^ (uint64_t)atoll(argv[3]) << 20;
    snprintf(crasher, sizeof crasher, "crasher-%lld", atoll(argv[3]));
    signal(SIGABRT, keep), signal(SIGPROF, keep);
    for (long run = 0; run < runs; run++) {
        n_input = make_input(argc - 4, argv + 4);
        setitimer(ITIMER_PROF, &ten_seconds, NULL);
        LLVMFuzzerTestOneInput(input, n_input);
    }
    printf("%ld runs\n", runs);
    free(model), free(tables);
    return 0;
}
#endif
