/* Prints the checksum of all symbols of an .aec file of one picture: z, then s, in the
 * order (row, column, channel), as tests/conformance/cases.json has it.
 *
 *     cc -O3 -o example core/example.c core/aec.c
 *     python -m codec.symbols.core photo photo.tables
 *     ./example photo.tables picture.aec
 *
 * A program would also check the container (docs/format.md, sections 2 to 4). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aec.h"

static uint8_t *contents(const char *name, size_t *size)
{
    FILE *f = fopen(name, "rb");
    uint8_t *bytes = malloc(1 << 26);
    *size = f && bytes ? fread(bytes, 1, 1 << 26, f) : 0;
    if (f) fclose(f);
    return bytes;
}

static uint32_t u32(const uint8_t *b)
{
    return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
}

int main(int argc, char **argv)
{
    size_t n_tables, n_file, n_stream;
    if (argc != 3) return 2;
    uint8_t *tables = contents(argv[1], &n_tables), *file = contents(argv[2], &n_file);
    size_t n_model = aec_model_bytes(n_tables, tables);
    aec_model *model = malloc(n_model + 1);
    if (!model || aec_model_init(n_model, model, n_tables, tables)) return 2;
    aec_sizes sizes;
    aec_model_sizes(model, &sizes);

    if (n_file < 32 || memcmp(file, "\x89" "AEC\n", 5) || file[5] >> 4 != 2) return 1;
    int32_t width = file[14] | file[15] << 8, height = file[16] | file[17] << 8;
    int32_t hy = (height + 15) / 16, wy = (width + 15) / 16, hz = (hy + 3) / 4;
    int32_t wz = (wy + 3) / 4, quality = ((file[18] | file[19] << 8) + 50) / 100;
    size_t n_payload = u32(file + 24);
    if (n_payload > n_file - 32) return 1;
    const uint8_t *payload = file + n_file - 4 - n_payload, *stream;

    int16_t *z = malloc((size_t)hz * wz * sizes.nz * sizeof *z);
    int16_t *s = malloc((size_t)hy * wy * sizes.m * sizeof *s);
    int32_t n_slabs = aec_slab_count(hz, wz);
    for (int32_t i = 0; i < n_slabs; i++) {
        aec_place p;
        aec_reader reader;
        uint32_t crc = u32(file + 20);
        if (aec_stream(n_payload, payload, n_slabs, i, &n_stream, &stream, &crc)
            || aec_reader_init(&reader, n_stream, stream)
            || (!i && aec_read_z(model, &reader, quality, 1, hz, wz, z))
            || aec_slab_place(1, hy, wy, i, &p))
            return 1;
        size_t n_slab = aec_slab_bytes(model, &p);
        aec_slab *slab = malloc(n_slab);
        if (!slab || aec_slab_init(n_slab, slab, model, &p, quality, z)
            || aec_slab_read(slab, &reader) || aec_reader_end(&reader))
            return 1;
        uint32_t found = aec_crc(model, 0, (size_t)hz * wz * sizes.nz, z);
        if (aec_crc(model, found, aec_slab_size(slab), aec_slab_symbols(slab)) != crc) return 1;
        for (int32_t y = 0; y < p.height; y++)
            memcpy(s + ((size_t)(p.top + y) * wy + p.left) * sizes.m,
                   aec_slab_symbols(slab) + (size_t)y * p.width * sizes.m,
                   (size_t)p.width * sizes.m * sizeof *s);
        free(slab);
    }
    uint32_t crc = aec_crc(model, 0, (size_t)hz * wz * sizes.nz, z);
    printf("%08x\n", aec_crc(model, crc, (size_t)hy * wy * sizes.m, s));
    free(tables), free(file), free(model), free(z), free(s);
    return 0;
}
