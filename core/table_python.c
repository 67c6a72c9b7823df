/* core/table.h for CPython, by its stable interface: codec/table/mixing.py is what uses
 * it and says what the functions mean. Buffers have to be contiguous; their sizes are
 * checked here. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "table.h"

enum { CHILD, BASE, NBITS, PATH, DEPTH, CONTEXT, LAG, COARSE, AT, GUESS_LAG, GUESS,
       STRETCH, SQUASH, RECIP, BUFFERS };

typedef struct {
    table_column c;
    Py_buffer b[BUFFERS];
    int taken;
    void *memory;
} column;

static void release(column *o)
{
    while (o->taken) PyBuffer_Release(&o->b[--o->taken]);
    free(o->memory);
}

static int has(const column *o, int which, size_t size)
{
    return (size_t)o->b[which].len == size;
}

/* Whether every number of the arrays names something that is there. */
static int is_sound(const column *o)
{
    const table_column *c = &o->c;
    size_t n = c->n, nodes = (size_t)c->nodes, buckets = (size_t)c->buckets;
    if (c->contexts < 0 || c->contexts > TABLE_CONTEXTS || c->guesses < 0
        || c->guesses > TABLE_GUESSES || c->lags < 0 || c->lags > 100 || c->nodes < 0
        || c->buckets < 1 || c->bits < 1 || c->bits > 24 || c->limit < 1 || c->limit > 1023
        || c->rate < 0 || c->rate > 64 || c->modelled < 0 || c->modelled > 64
        || n > (size_t)1 << 31 || (c->hit && !c->guesses))
        return 0;
    if (!has(o, CHILD, 8 * nodes) || !has(o, BASE, 8 * buckets) || !has(o, NBITS, buckets)
        || !has(o, PATH, 8 * buckets) || !has(o, DEPTH, buckets) || nodes + 1 != buckets
        || !has(o, CONTEXT, 4 * n * (size_t)c->contexts)
        || !has(o, LAG, 2 * (size_t)c->contexts) || !has(o, COARSE, (size_t)c->contexts)
        || !has(o, AT, 4 * n * (size_t)c->lags) || !has(o, GUESS_LAG, (size_t)c->guesses)
        || !has(o, STRETCH, 8192) || !has(o, SQUASH, 12290) || !has(o, RECIP, 2048))
        return 0;
    size_t given = 0;
    for (int g = 0; g < c->guesses; g++) {
        if (c->guess_lag[g] >= c->lags) return 0;
        given += c->guess_lag[g] < 0;
    }
    if (!has(o, GUESS, 8 * n * given)) return 0;
    for (int j = 0; j < 2 * c->contexts; j++)
        if (c->lag[j] >= c->lags) return 0;
    for (size_t i = 0; i < nodes; i++) /* a child comes after its parent: no circles */
        for (int k = 0; k < 2; k++) {
            int32_t to = c->child[2 * i + k];
            if (to >= 0 ? to >= c->nodes || (size_t)to <= i : ~to >= c->buckets) return 0;
        }
    for (size_t b = 0; b < buckets; b++)
        if (c->nbits[b] > 63 || c->depth[b] > 64 || (c->nodes && !c->depth[b])) return 0;
    for (int k = 0; k < c->lags; k++)
        for (size_t i = 0; i < n; i++) {
            int32_t at = c->at[(size_t)k * n + i];
            if (at < -1 || (at >= 0 && (size_t)at >= i)) return 0;
        }
    return 1;
}

/* Zeros; in large pages where there are some, as contexts are all over them. */
static void *memory_of(size_t size)
{
    char *memory = calloc(size, 1);
#ifdef MADV_HUGEPAGE
    size_t page = (size_t)1 << 21;
    size_t first = memory ? -(uintptr_t)memory & (page - 1) : 0;
    if (memory && size > first + page)
        madvise(memory + first, (size - first) & ~(page - 1), MADV_HUGEPAGE);
#endif
    return memory;
}

/* (n, modelled, hit, bits, limit, rate, contexts, lags, guesses), and the 14 arrays */
static int take(column *o, PyObject *args)
{
    table_column *c = &o->c;
    Py_ssize_t n;
    PyObject *arrays;
    memset(o, 0, sizeof *o);
    if (!PyArg_ParseTuple(args, "(niiiiiiii)O", &n, &c->modelled, &c->hit, &c->bits, &c->limit,
                          &c->rate, &c->contexts, &c->lags, &c->guesses, &arrays))
        return 0;
    if (!PyTuple_Check(arrays) || PyTuple_Size(arrays) != BUFFERS || n < 0) goto bad;
    for (; o->taken < BUFFERS; o->taken++) {
        PyObject *a = PyTuple_GetItem(arrays, o->taken);
        if (!a || PyObject_GetBuffer(a, &o->b[o->taken], PyBUF_SIMPLE)) goto failed;
    }
    c->n = (size_t)n;
    c->buckets = (int32_t)(o->b[NBITS].len < 1 << 30 ? o->b[NBITS].len : 0);
    c->nodes = c->buckets - 1;
    c->child = o->b[CHILD].buf, c->base = o->b[BASE].buf, c->nbits = o->b[NBITS].buf;
    c->path = o->b[PATH].buf, c->depth = o->b[DEPTH].buf, c->context = o->b[CONTEXT].buf;
    c->lag = o->b[LAG].buf, c->coarse = o->b[COARSE].buf, c->at = o->b[AT].buf;
    c->guess_lag = o->b[GUESS_LAG].buf, c->guess = o->b[GUESS].buf;
    c->stretch = o->b[STRETCH].buf, c->squash = o->b[SQUASH].buf, c->recip = o->b[RECIP].buf;
    if (!is_sound(o)) goto bad;
    o->memory = memory_of(table_memory(c));
    if (o->memory) return 1;
    PyErr_NoMemory();
    goto failed;
bad:
    PyErr_SetString(PyExc_ValueError, "a column that is not sound");
failed:
    release(o);
    return 0;
}

/* Arguments: the column's two, then a buffer. */
static int take_with(column *o, PyObject *args, Py_buffer *with, int flags)
{
    if (PyTuple_Size(args) != 3) {
        PyErr_SetString(PyExc_TypeError, "three arguments");
        return 0;
    }
    PyObject *first = PyTuple_GetSlice(args, 0, 2);
    int good = first && take(o, first);
    Py_XDECREF(first);
    if (!good) return 0;
    if (!PyObject_GetBuffer(PyTuple_GetItem(args, 2), with, flags)) return 1;
    release(o);
    return 0;
}

static PyObject *wrong_size(column *o, Py_buffer *b)
{
    PyErr_Format(PyExc_ValueError, "a buffer of %zd bytes", b->len);
    PyBuffer_Release(b);
    release(o);
    return NULL;
}

/* encode(numbers, arrays, symbols) -> bytes, or None if a symbol is in no bucket */
static PyObject *encode(PyObject *self, PyObject *args)
{
    column o;
    Py_buffer in;
    (void)self;
    if (!take_with(&o, args, &in, PyBUF_SIMPLE)) return NULL;
    if ((size_t)in.len != 8 * o.c.n) return wrong_size(&o, &in);
    /* At most 128 decisions a symbol, each at most 16 bits. */
    size_t capacity = 256 * o.c.n + 64, used = SIZE_MAX;
    uint8_t *to = malloc(capacity);
    PyObject *out = NULL;
    if (to) {
        Py_BEGIN_ALLOW_THREADS
        used = table_encode(&o.c, o.memory, in.buf, to, capacity);
        Py_END_ALLOW_THREADS
        out = used == SIZE_MAX ? Py_NewRef(Py_None)
                               : PyBytes_FromStringAndSize((char *)to, (Py_ssize_t)used);
    } else {
        PyErr_NoMemory();
    }
    free(to);
    PyBuffer_Release(&in);
    release(&o);
    return out;
}

/* cost(numbers, arrays, symbols) -> bits, negative if a symbol is in no bucket, and work */
static PyObject *cost(PyObject *self, PyObject *args)
{
    column o;
    Py_buffer in;
    double bits;
    uint64_t work = 0;
    (void)self;
    if (!take_with(&o, args, &in, PyBUF_SIMPLE)) return NULL;
    if ((size_t)in.len != 8 * o.c.n) return wrong_size(&o, &in);
    Py_BEGIN_ALLOW_THREADS
    bits = table_cost(&o.c, o.memory, in.buf, &work);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&in);
    release(&o);
    return Py_BuildValue("dK", bits, (unsigned long long)work);
}

/* decode(numbers, arrays, bytes, symbols) -> whether the bytes were used up */
static PyObject *decode(PyObject *self, PyObject *args)
{
    column o;
    Py_buffer in, out;
    int status;
    (void)self;
    if (PyTuple_Size(args) != 4) {
        PyErr_SetString(PyExc_TypeError, "four arguments");
        return NULL;
    }
    if (PyObject_GetBuffer(PyTuple_GetItem(args, 3), &out, PyBUF_WRITABLE)) return NULL;
    PyObject *first = PyTuple_GetSlice(args, 0, 3);
    int good = first && take_with(&o, first, &in, PyBUF_SIMPLE);
    Py_XDECREF(first);
    if (!good) {
        PyBuffer_Release(&out);
        return NULL;
    }
    if ((size_t)out.len != 8 * o.c.n) {
        PyBuffer_Release(&in);
        return wrong_size(&o, &out);
    }
    Py_BEGIN_ALLOW_THREADS
    status = table_decode(&o.c, o.memory, in.buf, (size_t)in.len, out.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    release(&o);
    return PyBool_FromLong(!status);
}

typedef struct {
    table_prediction p;
    Py_buffer given, lag, weight;
} prediction;

static int take_prediction(prediction *o, Py_ssize_t n, long long step)
{
    table_prediction *p = &o->p;
    p->n = (size_t)n / 8;
    p->step = step;
    p->given = o->given.len ? o->given.buf : NULL;
    p->lags = (int32_t)(o->lag.len / 4);
    p->lag = o->lag.buf, p->weight = o->weight.buf;
    int good = n % 8 == 0 && step >= 1 && o->lag.len == o->weight.len && o->lag.len % 4 == 0
               && o->lag.len < 1024 && (!o->given.len || o->given.len == n);
    for (int k = 0; k < p->lags; k++) good &= p->lag[k] >= 1;
    if (!good) PyErr_SetString(PyExc_ValueError, "a prediction that is not sound");
    return good;
}

/* residual(given, lag, weight, step, wanted, symbols, values) */
static PyObject *residual(PyObject *self, PyObject *args)
{
    prediction o;
    Py_buffer in, symbols, values;
    long long step;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*Ly*w*w*", &o.given, &o.lag, &o.weight, &step, &in, &symbols,
                          &values))
        return NULL;
    int good = take_prediction(&o, in.len, step) && symbols.len == in.len && values.len == in.len;
    if (good) {
        Py_BEGIN_ALLOW_THREADS
        table_residual(&o.p, in.buf, symbols.buf, values.buf);
        Py_END_ALLOW_THREADS
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "buffers of several sizes");
    }
    PyBuffer_Release(&o.given), PyBuffer_Release(&o.lag), PyBuffer_Release(&o.weight);
    PyBuffer_Release(&in), PyBuffer_Release(&symbols), PyBuffer_Release(&values);
    return good ? Py_NewRef(Py_None) : NULL;
}

/* restore(given, lag, weight, step, symbols, values) */
static PyObject *restore(PyObject *self, PyObject *args)
{
    prediction o;
    Py_buffer in, values;
    long long step;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*Ly*w*", &o.given, &o.lag, &o.weight, &step, &in, &values))
        return NULL;
    int good = take_prediction(&o, in.len, step) && values.len == in.len;
    if (good) {
        Py_BEGIN_ALLOW_THREADS
        table_restore(&o.p, in.buf, values.buf);
        Py_END_ALLOW_THREADS
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "buffers of several sizes");
    }
    PyBuffer_Release(&o.given), PyBuffer_Release(&o.lag), PyBuffer_Release(&o.weight);
    PyBuffer_Release(&in), PyBuffer_Release(&values);
    return good ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"encode", encode, METH_VARARGS, NULL},
    {"cost", cost, METH_VARARGS, NULL},
    {"decode", decode, METH_VARARGS, NULL},
    {"residual", residual, METH_VARARGS, NULL},
    {"restore", restore, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_core", NULL, 0, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&module); }
