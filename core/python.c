/* The core for CPython, by its stable interface (abi3): codec/symbols/core.py is what
 * uses it and says what the functions mean. They return a status of aec.h as a number
 * where they have nothing else to say, and release the lock of the interpreter. Buffers
 * have to be contiguous; their sizes are checked here. Built with -ffp-contract=off, so
 * that the floats at the end are NumPy's to the last bit. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aec.h"

#define MODEL "codec.model"
#define READER "codec.reader"
#define WRITER "codec.writer"
#define SLAB "codec.slab"

typedef struct {
    aec_reader reader;
    Py_buffer bytes;
} reader_object;

typedef struct {
    PyObject *model; /* stays as long as the slab */
    aec_slab *slab;
    aec_place place;
} slab_object;

static void free_model(PyObject *o) { free(PyCapsule_GetPointer(o, MODEL)); }

static void free_reader(PyObject *o)
{
    reader_object *r = PyCapsule_GetPointer(o, READER);
    PyBuffer_Release(&r->bytes);
    free(r);
}

static void free_writer(PyObject *o)
{
    aec_writer *w = PyCapsule_GetPointer(o, WRITER);
    free(w->records);
    free(w);
}

static void free_slab(PyObject *o)
{
    slab_object *s = PyCapsule_GetPointer(o, SLAB);
    Py_XDECREF(s->model);
    free(s->slab);
    free(s);
}

static PyObject *status(aec_status s) { return PyLong_FromLong(s); }

/* Whether a buffer has as many bytes; an exception is set where not. */
static int fits(const Py_buffer *b, uint64_t size)
{
    if ((uint64_t)b->len == size) return 1;
    PyErr_Format(PyExc_ValueError, "a buffer of %zd bytes", b->len);
    return 0;
}

static uint64_t z_size(const aec_model *m, int n, int hz, int wz)
{
    aec_sizes sizes;
    aec_model_sizes(m, &sizes);
    if (n < 1 || hz < 1 || wz < 1 || n > 1 << 24 || hz > 1 << 16 || wz > 1 << 16) return 0;
    return (uint64_t)hz * wz < (uint64_t)1 << 32
        ? (uint64_t)n * hz * wz * sizes.nz * 2 : 0;
}

/* model(tables) -> model, or a status */
static PyObject *model(PyObject *self, PyObject *args)
{
    Py_buffer b;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*", &b)) return NULL;
    size_t need = aec_model_bytes(b.len, b.buf);
    void *memory = need ? malloc(need) : NULL;
    aec_status s = need ? AEC_MEMORY : AEC_MODEL;
    if (memory) s = aec_model_init(need, memory, b.len, b.buf);
    PyBuffer_Release(&b);
    if (!s) return PyCapsule_New(memory, MODEL, free_model);
    free(memory);
    return s == AEC_MEMORY ? PyErr_NoMemory() : status(s);
}

/* reader(stream) -> reader, or a status */
static PyObject *reader(PyObject *self, PyObject *args)
{
    (void)self;
    reader_object *r = calloc(1, sizeof *r);
    if (!r) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "y*", &r->bytes)) {
        free(r);
        return NULL;
    }
    aec_status s = aec_reader_init(&r->reader, r->bytes.len, r->bytes.buf);
    if (!s) return PyCapsule_New(r, READER, free_reader);
    PyBuffer_Release(&r->bytes);
    free(r);
    return status(s);
}

/* read_z(model, reader, quality, n, hz, wz, z) */
static PyObject *read_z(PyObject *self, PyObject *args)
{
    PyObject *m, *r;
    Py_buffer z;
    int quality, n, hz, wz;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOiiiiw*", &m, &r, &quality, &n, &hz, &wz, &z)) return NULL;
    aec_model *s = PyCapsule_GetPointer(m, MODEL);
    reader_object *o = s ? PyCapsule_GetPointer(r, READER) : NULL;
    aec_status result = AEC_OK;
    int good = o && fits(&z, z_size(s, n, hz, wz));
    if (good) {
        Py_BEGIN_ALLOW_THREADS
        result = aec_read_z(s, &o->reader, quality, n, hz, wz, z.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&z);
    return good ? status(result) : NULL;
}

/* reader_end(reader) */
static PyObject *reader_end(PyObject *self, PyObject *r)
{
    (void)self;
    reader_object *o = PyCapsule_GetPointer(r, READER);
    return o ? status(aec_reader_end(&o->reader)) : NULL;
}

/* writer() -> writer */
static PyObject *writer(PyObject *self, PyObject *none)
{
    (void)self, (void)none;
    aec_writer *w = calloc(1, sizeof *w);
    return w ? PyCapsule_New(w, WRITER, free_writer) : PyErr_NoMemory();
}

/* Room for so many more records. */
static int room(aec_writer *w, uint64_t more)
{
    if (w->capacity - w->used >= more) return 1;
    uint64_t capacity = w->used + w->used / 2 + more;
    void *p = capacity < SIZE_MAX / 8
        ? realloc(w->records, (size_t)capacity * sizeof *w->records) : NULL;
    if (!p) {
        PyErr_NoMemory();
        return 0;
    }
    w->records = p, w->capacity = (size_t)capacity;
    return 1;
}

/* write_z(model, writer, quality, n, hz, wz, z) */
static PyObject *write_z(PyObject *self, PyObject *args)
{
    PyObject *m, *w;
    Py_buffer z;
    int quality, n, hz, wz;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOiiiiy*", &m, &w, &quality, &n, &hz, &wz, &z)) return NULL;
    aec_model *s = PyCapsule_GetPointer(m, MODEL);
    aec_writer *to = s ? PyCapsule_GetPointer(w, WRITER) : NULL;
    aec_status result = AEC_OK;
    int good = to && fits(&z, z_size(s, n, hz, wz)) && room(to, z.len / 2);
    if (good) result = aec_write_z(s, to, quality, n, hz, wz, z.buf);
    PyBuffer_Release(&z);
    return good ? status(result) : NULL;
}

/* writer_end(writer, model, quality) -> stream */
static PyObject *writer_end(PyObject *self, PyObject *args)
{
    PyObject *m, *w, *out = NULL;
    int quality;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOi", &w, &m, &quality)) return NULL;
    aec_model *s = PyCapsule_GetPointer(m, MODEL);
    aec_writer *from = s ? PyCapsule_GetPointer(w, WRITER) : NULL;
    if (!from) return NULL;
    size_t size = from->used * 4 + 8, used = 0;
    uint8_t *bytes = malloc(size);
    if (!bytes) return PyErr_NoMemory();
    aec_status result;
    Py_BEGIN_ALLOW_THREADS
    result = aec_writer_end(from, s, quality, size, bytes, &used);
    Py_END_ALLOW_THREADS
    out = result ? status(result) : PyBytes_FromStringAndSize((char *)bytes, used);
    free(bytes);
    return out;
}

/* slab(model, (n, hz, wz, top, left, height, width), quality, z) -> slab, or a status */
static PyObject *slab(PyObject *self, PyObject *args)
{
    PyObject *m;
    Py_buffer z;
    aec_place p;
    int quality;
    (void)self;
    if (!PyArg_ParseTuple(args, "O(iiiiiii)iy*", &m, &p.n, &p.hz, &p.wz, &p.top, &p.left,
                          &p.height, &p.width, &quality, &z))
        return NULL;
    aec_model *s = PyCapsule_GetPointer(m, MODEL);
    PyObject *out = NULL;
    if (s && fits(&z, z_size(s, p.n, p.hz, p.wz))) {
        size_t need = aec_slab_bytes(s, &p);
        slab_object *o = calloc(1, sizeof *o);
        void *memory = need ? malloc(need) : NULL;
        aec_status result = need ? AEC_MEMORY : AEC_ARGUMENT;
        if (o && memory) {
            Py_BEGIN_ALLOW_THREADS
            result = aec_slab_init(need, memory, s, &p, quality, z.buf);
            Py_END_ALLOW_THREADS
        }
        if (!result) {
            o->slab = memory, o->model = m, o->place = p;
            Py_INCREF(m);
            out = PyCapsule_New(o, SLAB, free_slab);
        } else {
            free(o);
            free(memory);
            out = result == AEC_MEMORY ? PyErr_NoMemory() : status(result);
        }
    }
    PyBuffer_Release(&z);
    return out;
}

/* slab_rows(slab, rows): rows has places x n bytes */
static PyObject *slab_rows(PyObject *self, PyObject *args)
{
    PyObject *b;
    Py_buffer out;
    aec_step step;
    const uint8_t *rows;
    (void)self;
    if (!PyArg_ParseTuple(args, "Ow*", &b, &out)) return NULL;
    slab_object *o = PyCapsule_GetPointer(b, SLAB);
    aec_status result = o ? aec_slab_step(o->slab, &step) : AEC_OK;
    int good = o != NULL;
    if (good && !result) {
        good = fits(&out, (uint64_t)step.places * step.n);
        if (good) {
            Py_BEGIN_ALLOW_THREADS
            result = aec_slab_rows(o->slab, &rows);
            Py_END_ALLOW_THREADS
            if (!result) memcpy(out.buf, rows, out.len);
        }
    }
    PyBuffer_Release(&out);
    return good ? status(result) : NULL;
}

/* slab_put(slab, symbols): int16, places x n */
static PyObject *slab_put(PyObject *self, PyObject *args)
{
    PyObject *b;
    Py_buffer in;
    aec_step step;
    (void)self;
    if (!PyArg_ParseTuple(args, "Oy*", &b, &in)) return NULL;
    slab_object *o = PyCapsule_GetPointer(b, SLAB);
    aec_status result = o ? aec_slab_step(o->slab, &step) : AEC_OK;
    int good = o != NULL;
    if (good && !result) {
        good = fits(&in, 2 * (uint64_t)step.places * step.n);
        if (good) {
            Py_BEGIN_ALLOW_THREADS
            result = aec_slab_put(o->slab, in.buf);
            Py_END_ALLOW_THREADS
        }
    }
    PyBuffer_Release(&in);
    return good ? status(result) : NULL;
}

/* write(model, writer, quality, symbols, rows): int16 and bytes, as many */
static PyObject *write_step(PyObject *self, PyObject *args)
{
    PyObject *m, *w;
    Py_buffer in, rows;
    int quality;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOiy*y*", &m, &w, &quality, &in, &rows)) return NULL;
    aec_model *s = PyCapsule_GetPointer(m, MODEL);
    aec_writer *to = s ? PyCapsule_GetPointer(w, WRITER) : NULL;
    aec_status result = AEC_OK;
    int good = to && fits(&in, 2 * (uint64_t)rows.len) && room(to, 4 * (uint64_t)rows.len);
    if (good) {
        Py_BEGIN_ALLOW_THREADS
        result = aec_write(s, to, quality, rows.len, in.buf, rows.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&rows);
    return good ? status(result) : NULL;
}

/* slab_read(slab, reader) */
static PyObject *slab_read(PyObject *self, PyObject *args)
{
    PyObject *b, *r;
    (void)self;
    if (!PyArg_ParseTuple(args, "OO", &b, &r)) return NULL;
    slab_object *o = PyCapsule_GetPointer(b, SLAB);
    reader_object *from = o ? PyCapsule_GetPointer(r, READER) : NULL;
    if (!from) return NULL;
    aec_status result;
    Py_BEGIN_ALLOW_THREADS
    result = aec_slab_read(o->slab, &from->reader);
    Py_END_ALLOW_THREADS
    return status(result);
}

/* slab_symbols(slab, symbols, height, width, top, left): int16, those of the slab into a
 * plane of so many cells, at this row and column */
static PyObject *slab_symbols(PyObject *self, PyObject *args)
{
    PyObject *b;
    Py_buffer out;
    int height, width, top, left;
    (void)self;
    if (!PyArg_ParseTuple(args, "Ow*iiii", &b, &out, &height, &width, &top, &left)) return NULL;
    slab_object *o = PyCapsule_GetPointer(b, SLAB);
    int good = o != NULL, inside = 0;
    if (good) {
        aec_place p = o->place;
        inside = top >= 0 && left >= 0 && height >= p.height && width >= p.width
                 && top <= height - p.height && left <= width - p.width;
        size_t lines = (size_t)p.n * p.height, line = 2 * aec_slab_size(o->slab) / lines;
        size_t cell = line / p.width;
        good = inside && fits(&out, (uint64_t)p.n * height * width * cell);
        if (good) {
            const char *from = (const char *)aec_slab_symbols(o->slab);
            Py_BEGIN_ALLOW_THREADS
            for (size_t i = 0; i < lines; i++) {
                size_t y = i / p.height * height + top + i % p.height;
                memcpy((char *)out.buf + (y * width + left) * cell, from + i * line, line);
            }
            Py_END_ALLOW_THREADS
        }
    }
    PyBuffer_Release(&out);
    if (good) return status(AEC_OK);
    return o && !inside ? status(AEC_ARGUMENT) : NULL;
}

/* slab_crc(slab, crc): of its symbols, continued */
static PyObject *slab_crc(PyObject *self, PyObject *args)
{
    PyObject *b;
    unsigned int value;
    (void)self;
    if (!PyArg_ParseTuple(args, "OI", &b, &value)) return NULL;
    slab_object *o = PyCapsule_GetPointer(b, SLAB);
    aec_model *s = o ? PyCapsule_GetPointer(o->model, MODEL) : NULL;
    if (!s) return NULL;
    Py_BEGIN_ALLOW_THREADS
    value = aec_crc(s, value, aec_slab_size(o->slab), aec_slab_symbols(o->slab));
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLong(value);
}

/* crc(model, crc, symbols) */
static PyObject *crc(PyObject *self, PyObject *args)
{
    PyObject *m;
    Py_buffer in;
    unsigned int value;
    (void)self;
    if (!PyArg_ParseTuple(args, "OIy*", &m, &value, &in)) return NULL;
    aec_model *s = PyCapsule_GetPointer(m, MODEL);
    if (s) {
        Py_BEGIN_ALLOW_THREADS
        value = aec_crc(s, value, in.len / 2, in.buf);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&in);
    return s ? PyLong_FromUnsignedLong(value) : NULL;
}

/* ---- Floats: what encoders and means do between networks, the same as NumPy does ------- */

/* A matrix of floats whose rows lie anywhere, as a part of the columns of another does. */
static int rows_of(PyObject *o, Py_buffer *b, Py_ssize_t rows)
{
    if (PyObject_GetBuffer(o, b, PyBUF_STRIDED_RO)) return 0;
    if (b->ndim == 2 && b->itemsize == 4 && b->shape[0] == rows
        && (b->strides[1] == 4 || b->shape[1] < 2))
        return 1;
    PyErr_SetString(PyExc_ValueError, "not rows of floats");
    PyBuffer_Release(b);
    return 0;
}

/* Whether these places and channels, from `first` on, are in cells of m numbers. */
static int are_places(const Py_buffer *at, uint64_t cells, uint64_t m, int first,
                      Py_ssize_t channels)
{
    const int64_t *p = at->buf;
    int inside = at->len % 8 == 0 && first >= 0 && (uint64_t)first + channels <= m;
    for (Py_ssize_t i = 0; i < at->len / 8; i++)
        inside &= (uint64_t)p[i] < cells;
    if (!inside) PyErr_SetString(PyExc_ValueError, "places or channels that are not there");
    return inside;
}

/* What will be read soon: places lie apart, and no processor guesses where. */
#if defined(__GNUC__)
#define FETCH(at) __builtin_prefetch(at)
#else
#define FETCH(at) (void)(at)
#endif

static float whole(float v)
{
    const float big = 12582912; /* 3 x 2^22: what is added to it has no fraction left */
    v = v < 32767 ? v : 32767;
    v = v > -32767 ? v : -32767;
    return v + big - big;
}

/* nearest(y, at, first, mean, scales, gain, zone, symbols): int16, what y gain - mean gain
 * is rounded to, zero where it is smaller than the zone of its scale index */
static PyObject *nearest(PyObject *self, PyObject *args)
{
    Py_buffer y, at, mean, scales, gain, zone, out;
    PyObject *mean_object;
    int first;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*iOy*y*y*w*", &y, &at, &first, &mean_object, &scales, &gain,
                          &zone, &out))
        return NULL;
    Py_ssize_t n = at.len / 8, m = gain.len / 4;
    int good = m > 0 && rows_of(mean_object, &mean, n);
    if (good) {
        Py_ssize_t width = mean.shape[1];
        good = are_places(&at, y.len / 4 / m, m, first, width) && fits(&zone, 64 * 4)
               && fits(&scales, (uint64_t)n * width) && fits(&out, 2 * (uint64_t)n * width);
        if (good) {
            Py_BEGIN_ALLOW_THREADS
            const float *g = (const float *)gain.buf + first, *z = zone.buf;
            for (Py_ssize_t i = 0; i < n; i++) {
                if (i + 8 < n)
                    for (Py_ssize_t c = 0; c < width + 16; c += 16)
                        FETCH((const float *)y.buf + ((const int64_t *)at.buf)[i + 8] * m
                              + first + c);
                const float *x = (const float *)y.buf + ((const int64_t *)at.buf)[i] * m + first;
                const float *mu = (const void *)((const char *)mean.buf + i * mean.strides[0]);
                const uint8_t *r = (const uint8_t *)scales.buf + i * width;
                int16_t *to = (int16_t *)out.buf + i * width;
                for (Py_ssize_t c = 0; c < width; c++) {
                    float v = x[c] * g[c] - mu[c] * g[c];
                    int32_t kept = -(fabsf(v) >= z[r[c] & 63]); /* no branch */
                    to[c] = (int16_t)((int32_t)whole(v) & kept);
                }
            }
            Py_END_ALLOW_THREADS
        }
        PyBuffer_Release(&mean);
    }
    PyBuffer_Release(&y), PyBuffer_Release(&at), PyBuffer_Release(&scales);
    PyBuffer_Release(&gain), PyBuffer_Release(&zone), PyBuffer_Release(&out);
    if (!good) return PyErr_Occurred() ? NULL : status(AEC_ARGUMENT);
    return status(AEC_OK);
}

/* dequantise(latent, at, first, symbols, step, mean): symbols, int16, times step and mean */
static PyObject *dequantise(PyObject *self, PyObject *args)
{
    Py_buffer out, at, symbols, step, mean;
    PyObject *mean_object;
    int first;
    (void)self;
    if (!PyArg_ParseTuple(args, "w*y*iy*y*O", &out, &at, &first, &symbols, &step, &mean_object))
        return NULL;
    Py_ssize_t n = at.len / 8, m = step.len / 4;
    int good = m > 0 && rows_of(mean_object, &mean, n);
    if (good) {
        Py_ssize_t width = mean.shape[1];
        good = are_places(&at, out.len / 4 / m, m, first, width)
               && fits(&symbols, 2 * (uint64_t)n * width);
        if (good) {
            Py_BEGIN_ALLOW_THREADS
            const float *d = (const float *)step.buf + first;
            for (Py_ssize_t i = 0; i < n; i++) {
                float *to = (float *)out.buf + ((const int64_t *)at.buf)[i] * m + first;
                const float *mu = (const void *)((const char *)mean.buf + i * mean.strides[0]);
                const int16_t *s = (const int16_t *)symbols.buf + i * width;
                for (Py_ssize_t c = 0; c < width; c++)
                    to[c] = s[c] * d[c] + mu[c];
            }
            Py_END_ALLOW_THREADS
        }
        PyBuffer_Release(&mean);
    }
    PyBuffer_Release(&out), PyBuffer_Release(&at), PyBuffer_Release(&symbols);
    PyBuffer_Release(&step);
    if (!good) return PyErr_Occurred() ? NULL : status(AEC_ARGUMENT);
    return status(AEC_OK);
}

/* pixels(square, square, square, square, out, y, x, height, width, top, left): lays out what
 * the synthesis's last convolutions give (codec/training/graph.py, Graph.pixels). Squares are
 * uint8 (.., h, w, 4 x 4 x 3), of which four make 8 x 8 pixels, less two rows and columns at
 * the beginning and six at the end. Pixels from `top` and `left` on go into uint8 (.., rows,
 * columns, 3), from y and x on. */
static PyObject *pixels(PyObject *self, PyObject *args)
{
    enum { SQUARES = 4, SAMPLES = 48, LINE = 12 };
    PyObject *of[SQUARES + 1];
    Py_buffer b[SQUARES + 1], *out = b + SQUARES;
    int y, x, height, width, top, left, got = 0, good = 1;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOOiiiiii", of, of + 1, of + 2, of + 3, of + 4, &y, &x,
                          &height, &width, &top, &left))
        return NULL;
    while (got <= SQUARES && good) {
        good = !PyObject_GetBuffer(of[got], b + got, PyBUF_ND | (got < SQUARES ? 0 : PyBUF_WRITABLE));
        got += good;
    }
    if (good) {
        const Py_ssize_t *s = b->shape + b->ndim - 3, *t = out->shape + out->ndim - 3;
        good = b->ndim >= 3 && s[2] == SAMPLES && out->ndim >= 3 && t[2] == 3 && out->len
               && out->itemsize == 1;
        uint64_t n = good ? out->len / (3 * t[0] * t[1]) : 0;
        for (int i = 0; i < SQUARES && good; i++) {
            const Py_ssize_t *same = b[i].shape + b[i].ndim - 3;
            good = b[i].ndim >= 3 && same[0] == s[0] && same[1] == s[1] && same[2] == SAMPLES
                   && b[i].itemsize == 1 && fits(b + i, n * s[0] * s[1] * SAMPLES);
        }
        good = good && y >= 0 && x >= 0 && height >= 0 && width >= 0 && top >= 0 && left >= 0
               && (int64_t)y + height <= t[0] && (int64_t)top + height <= 8 * ((int64_t)s[0] - 1)
               && (int64_t)x + width <= t[1] && (int64_t)left + width <= 8 * ((int64_t)s[1] - 1);
        if (good) {
            Py_BEGIN_ALLOW_THREADS
            const size_t end = top + 2 + height, right = left + 2 + width;
            for (size_t picture = 0; picture < n; picture++)
                for (size_t down = top + 2, lines; down < end; down += lines) {
                    size_t first = down % 4;
                    lines = 4 - first < end - down ? 4 - first : end - down;
                    size_t from = (picture * s[0] + down / 8) * s[1] * SAMPLES;
                    size_t line = picture * t[0] + y + down - top - 2;
                    uint8_t *to = (uint8_t *)out->buf + (line * t[1] + x) * 3;
                    for (size_t at = left + 2, n_at; at < right; at += n_at, to += n_at * 3) {
                        const Py_buffer *square = b + down / 4 % 2 * 2 + at / 4 % 2;
                        const uint8_t *one = (const uint8_t *)square->buf + from
                                             + at / 8 * SAMPLES + first * LINE;
                        n_at = 4 - at % 4 < right - at ? 4 - at % 4 : right - at;
                        for (size_t i = 0; i < lines; i++, one += LINE) {
                            if (n_at == 4)
                                memcpy(to + i * t[1] * 3, one, LINE);
                            else
                                memcpy(to + i * t[1] * 3, one + at % 4 * 3, n_at * 3);
                        }
                    }
                }
            Py_END_ALLOW_THREADS
        }
    }
    while (got)
        PyBuffer_Release(b + --got);
    if (!good && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "pixels that are not there");
    return good ? status(AEC_OK) : NULL;
}

static PyMethodDef methods[] = {
    {"model", model, METH_VARARGS, NULL},
    {"reader", reader, METH_VARARGS, NULL},
    {"read_z", read_z, METH_VARARGS, NULL},
    {"reader_end", reader_end, METH_O, NULL},
    {"writer", writer, METH_NOARGS, NULL},
    {"write_z", write_z, METH_VARARGS, NULL},
    {"write", write_step, METH_VARARGS, NULL},
    {"writer_end", writer_end, METH_VARARGS, NULL},
    {"slab", slab, METH_VARARGS, NULL},
    {"slab_rows", slab_rows, METH_VARARGS, NULL},
    {"slab_put", slab_put, METH_VARARGS, NULL},
    {"slab_read", slab_read, METH_VARARGS, NULL},
    {"slab_symbols", slab_symbols, METH_VARARGS, NULL},
    {"slab_crc", slab_crc, METH_VARARGS, NULL},
    {"crc", crc, METH_VARARGS, NULL},
    {"nearest", nearest, METH_VARARGS, NULL},
    {"dequantise", dequantise, METH_VARARGS, NULL},
    {"pixels", pixels, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
