/* SPDX-License-Identifier: Apache-2.0
 *
 * Stream objects. A stream is used by one thread at a time, but for interrupt().
 *
 * next() looks once with the interpreter's lock held, which is enough while results stream in, and gives the lock up
 * only to wait. In the main thread the wait is cut into slices, between which signals are looked for.
 */
#include "belt_python.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

/* How late a signal may be seen at the most. */
#define SLICE_MS 50
/* Results that are taken at once. */
#define MANY_MAX 256

struct stream {
    PyObject_HEAD belt_stream *stream;
    PyObject *pool;         /* keeps the pool's object alive */
    PyObject *draw;         /* draw(): bytes; None: no more; False: not yet; str: it failed */
    PyObject *drawn;        /* bytes that the library borrows until the next call of the source */
    PyThreadState *waiting; /* NULL: the lock is held */
    bool keeps;             /* the job is not cancelled when the stream is dropped */
    bool busy;              /* a thread is inside */
    bool failed;            /* draw() has raised an exception, which is raised when there are no results to give */
    PyObject *error[3];     /* that exception */
};

PyTypeObject *belt_python_stream_type;

/* An input that failed: its text. */
static void encode_text(PyObject **drawn)
{
    PyObject *text = *drawn;

    *drawn = PyUnicode_AsUTF8String(text);
    Py_DECREF(text);
}

/* The library's belt_source: runs in the thread that is inside of a call. */
static int draw(void *ctx, belt_input *input)
{
    struct stream *self = ctx;
    bool waited = self->waiting != NULL;
    int answer = BELT_INPUT_LATER;
    char *data;
    Py_ssize_t len;

    if (self->failed)
        return BELT_INPUT_LATER;
    if (waited)
        PyEval_RestoreThread(self->waiting);
    self->waiting = NULL;
    Py_XDECREF(self->drawn);
    self->drawn = PyObject_CallObject(self->draw, NULL);
    if (!self->drawn) {
        self->failed = true;
    } else if (self->drawn == Py_None) {
        answer = BELT_INPUT_END;
    } else if (self->drawn != Py_False) {
        answer = PyUnicode_Check(self->drawn) ? BELT_INPUT_FAILED : BELT_INPUT_READY;
        if (answer == BELT_INPUT_FAILED)
            encode_text(&self->drawn);
        if (!self->drawn || PyBytes_AsStringAndSize(self->drawn, &data, &len) != 0) {
            self->failed = true;
            answer = BELT_INPUT_LATER;
        } else {
            input->data = data;
            input->len = (size_t)len;
        }
    }
    if (self->failed)
        PyErr_Fetch(&self->error[0], &self->error[1], &self->error[2]);
    if (waited)
        self->waiting = PyEval_SaveThread();
    return answer;
}

static PyObject *refuse_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "the stream is closed");
    return NULL;
}

static struct stream *enter(PyObject *object)
{
    struct stream *self = (struct stream *)object;

    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "the stream is in use by another thread");
        return NULL;
    }
    if (!self->stream) {
        refuse_closed();
        return NULL;
    }
    self->busy = true;
    return self;
}

static PyObject *leave(struct stream *self, PyObject *value)
{
    self->busy = false;
    return value;
}

/* With the exception of draw() before anything else. */
static PyObject *leave_with(struct stream *self, int code)
{
    if (self->failed) {
        self->failed = false;
        PyErr_Restore(self->error[0], self->error[1], self->error[2]);
        self->error[0] = self->error[1] = self->error[2] = NULL;
        return leave(self, NULL);
    }
    if (code != BELT_OK)
        return leave(self, belt_python_raise(code));
    Py_INCREF(Py_None);
    return leave(self, Py_None);
}

static struct stream *stream_alloc(PyObject *pool, PyObject *source)
{
    PyTypeObject *type = belt_python_stream_type;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct stream *self = (struct stream *)alloc(type, 0);

    if (!self)
        return NULL;
    Py_INCREF(pool);
    self->pool = pool;
    if (source != Py_None) {
        Py_INCREF(source);
        self->draw = source;
    }
    return self;
}

static int open_stream(struct stream *self, belt_pool *pool, const char *function, const belt_job_options *options,
                       int unordered, int submits)
{
    belt_source source = self->draw ? draw : NULL;

    if (submits)
        return belt_pool_submit_open(pool, function, source, self, options, &self->stream);
    if (unordered)
        return belt_pool_imap_unordered(pool, function, source, self, options, &self->stream);
    return belt_pool_imap(pool, function, source, self, options, &self->stream);
}

PyObject *belt_python_stream_new(PyObject *pool, belt_pool *belt, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"function", "draw",       "argument",   "unordered", "buffersize", "chunksize",
                            "retries",  "attempts",   "timeout_ms", "priority",  "key",        "acknowledge",
                            "detached", "durability", "submits",    NULL};
    belt_job_options options = BELT_JOB_OPTIONS_INIT;
    const char *function;
    PyObject *source = Py_None;
    Py_ssize_t argument_len = 0;
    unsigned long long buffersize = 0, timeout = 0;
    int unordered = 0, acknowledge = 0, detached = 0, durability = 0, submits = 0, rc;
    struct stream *self;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s|Oz#pKIIIKizppip:stream", names, &function, &source,
                                     &options.argument, &argument_len, &unordered, &buffersize, &options.chunksize,
                                     &options.retries, &options.max_attempts, &timeout, &options.priority, &options.key,
                                     &acknowledge, &detached, &durability, &submits))
        return NULL;
    options.argument_len = (size_t)argument_len;
    options.buffersize = buffersize;
    options.timeout_ms = timeout;
    options.acknowledge = acknowledge;
    options.detached = detached;
    options.durability = (belt_durability)durability;
    self = stream_alloc(pool, source);
    if (!self)
        return NULL;
    self->keeps = detached && options.key;
    self->busy = true;
    rc = open_stream(self, belt, function, &options, unordered, submits);
    if (!leave_with(self, rc)) {
        Py_DECREF(self);
        return NULL;
    }
    Py_DECREF(Py_None);
    return (PyObject *)self;
}

PyObject *belt_python_stream_subscribe(PyObject *pool, belt_pool *belt, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"job", "reader", "unordered", "acknowledge", "buffersize", NULL};
    belt_reader_options options = BELT_READER_OPTIONS_INIT;
    unsigned long long job, buffersize = 0;
    const char *reader;
    int unordered = 0, acknowledge = 0, rc;
    struct stream *self;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Ks|ppK:subscribe", names, &job, &reader, &unordered, &acknowledge,
                                     &buffersize))
        return NULL;
    options.unordered = unordered;
    options.acknowledge = acknowledge;
    options.buffersize = buffersize;
    self = stream_alloc(pool, Py_None);
    if (!self)
        return NULL;
    rc = belt_pool_subscribe(belt, job, reader, BELT_FROM_ACKNOWLEDGED, &options, &self->stream);
    if (rc != BELT_OK) {
        Py_DECREF(self);
        return belt_python_raise(rc);
    }
    return (PyObject *)self;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for what `look` looks for, without the interpreter's lock. AGAIN: the time is over; -1: an exception is set.
 */
static int await(struct stream *self, int64_t timeout_ms,
                 int (*look)(struct stream *self, int64_t timeout_ms, void *to), void *to)
{
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    bool sliced = gettid() == getpid();
    int rc = look(self, 0, to);

    while (rc == BELT_AGAIN && !self->failed && timeout_ms != 0) {
        int64_t left = timeout_ms < 0 ? INT64_MAX : deadline - now_ms();

        if (left <= 0)
            return BELT_AGAIN;
        if (sliced && left > SLICE_MS)
            left = SLICE_MS;
        self->waiting = PyEval_SaveThread();
        rc = look(self, left == INT64_MAX ? -1 : left, to);
        PyEval_RestoreThread(self->waiting);
        self->waiting = NULL;
        if (rc != BELT_OK && PyErr_CheckSignals() != 0) /* results that were taken are given first */
            return -1;
    }
    return rc;
}

struct many {
    belt_result *results[MANY_MAX];
    size_t max, count;
};

static int look_for_results(struct stream *self, int64_t timeout_ms, void *to)
{
    struct many *many = to;

    return belt_stream_next_many(self->stream, timeout_ms, many->results, many->max, &many->count);
}

/* (index, code, payload, us, number), and of a result that is not OK also text, attempt and signal. */
static PyObject *describe(const belt_result *r)
{
    if (r->code == BELT_OK)
        return Py_BuildValue("(KIy#KK)", r->index, r->code, (const char *)r->data, (Py_ssize_t)r->len, r->service_us,
                             r->number);
    return Py_BuildValue("(KIy#KKNIi)", r->index, r->code, (const char *)r->data, (Py_ssize_t)r->len, r->service_us,
                         r->number, PyUnicode_DecodeUTF8(r->text, (Py_ssize_t)strlen(r->text), "replace"), r->attempt,
                         r->term_signal);
}

static PyObject *list_of(struct many *many)
{
    PyObject *list = PyList_New((Py_ssize_t)many->count);

    for (size_t i = 0; i < many->count; i++) {
        PyObject *row = list ? describe(many->results[i]) : NULL;

        if (!row)
            Py_CLEAR(list);
        else
            PyList_SetItem(list, (Py_ssize_t)i, row);
        belt_result_free(&many->results[i]);
    }
    return list;
}

/* next(max, timeout_ms): a list; None: nothing in time, or interrupt(); at the end StopIteration. */
static PyObject *stream_next(PyObject *object, PyObject *args)
{
    struct stream *self;
    struct many many = {.count = 0};
    int max, rc;
    long long timeout;

    if (!PyArg_ParseTuple(args, "iL:next", &max, &timeout))
        return NULL;
    self = enter(object);
    if (!self)
        return NULL;
    many.max = max < 1 ? 1 : max > MANY_MAX ? MANY_MAX : (size_t)max;
    rc = await(self, timeout, look_for_results, &many);
    if (rc == -1)
        return leave(self, NULL);
    if (rc == BELT_OK)
        return leave(self, list_of(&many));
    if (rc == BELT_AGAIN || rc == BELT_INTERRUPTED)
        rc = BELT_OK;
    if (rc == BELT_END && !self->failed) {
        PyErr_SetNone(PyExc_StopIteration);
        return leave(self, NULL);
    }
    return leave_with(self, rc);
}

/* feed(bytes, timeout_ms): False when the window is full. Also while another thread is in next(); by one thread at a
 * time. */
static PyObject *stream_feed(PyObject *object, PyObject *args)
{
    struct stream *self = (struct stream *)object;
    PyObject *bytes;
    char *data;
    Py_ssize_t len;
    long long timeout;
    int rc;

    if (!PyArg_ParseTuple(args, "O!L:feed", &PyBytes_Type, &bytes, &timeout))
        return NULL;
    PyBytes_AsStringAndSize(bytes, &data, &len);
    if (!self->stream)
        return refuse_closed();
    rc = belt_stream_feed(self->stream, data, (size_t)len, 0);
    if (rc == BELT_WINDOW_FULL && timeout > 0) {
        Py_BEGIN_ALLOW_THREADS /* the caller holds a reference to the bytes */
            rc = belt_stream_feed(self->stream, data, (size_t)len, timeout);
        Py_END_ALLOW_THREADS
    }
    if (rc != BELT_OK && rc != BELT_WINDOW_FULL && rc != BELT_INTERRUPTED)
        return belt_python_raise(rc);
    return PyBool_FromLong(rc == BELT_OK);
}

static PyObject *stream_end(PyObject *object, PyObject *none)
{
    struct stream *self = enter(object);

    (void)none;
    return !self ? NULL : leave_with(self, belt_stream_end(self->stream));
}

static int look_for_acceptance(struct stream *self, int64_t timeout_ms, void *to)
{
    (void)to;
    return belt_stream_flush(self->stream, timeout_ms);
}

/* flush(timeout_ms): False when it was not accepted in time. */
static PyObject *stream_flush(PyObject *object, PyObject *args)
{
    struct stream *self;
    long long timeout;
    int rc;

    if (!PyArg_ParseTuple(args, "L:flush", &timeout))
        return NULL;
    self = enter(object);
    if (!self)
        return NULL;
    rc = await(self, timeout, look_for_acceptance, NULL);
    if (rc == -1)
        return leave(self, NULL);
    if (self->failed || (rc != BELT_OK && rc != BELT_AGAIN))
        return leave_with(self, rc);
    return leave(self, PyBool_FromLong(rc == BELT_OK));
}

static PyObject *stream_ack(PyObject *object, PyObject *args)
{
    struct stream *self;
    unsigned long long number;

    if (!PyArg_ParseTuple(args, "K:ack", &number))
        return NULL;
    self = enter(object);
    return !self ? NULL : leave_with(self, belt_stream_ack(self->stream, number));
}

static int look_for_acks(struct stream *self, int64_t timeout_ms, void *to)
{
    (void)to;
    return belt_stream_ack_flush(self->stream, timeout_ms);
}

static PyObject *stream_ack_flush(PyObject *object, PyObject *args)
{
    struct stream *self;
    long long timeout;
    int rc;

    if (!PyArg_ParseTuple(args, "L:ack_flush", &timeout))
        return NULL;
    self = enter(object);
    if (!self)
        return NULL;
    rc = await(self, timeout, look_for_acks, NULL);
    return rc == -1 ? leave(self, NULL) : leave_with(self, rc);
}

static PyObject *stream_progress(PyObject *object, PyObject *none)
{
    struct stream *self = enter(object);
    belt_progress p = BELT_PROGRESS_INIT;
    int rc;

    (void)none;
    if (!self)
        return NULL;
    rc = belt_stream_progress(self->stream, &p);
    if (rc != BELT_OK)
        return leave_with(self, rc);
    return leave(self, Py_BuildValue("{sKsKsKsKsKsKsOsI}", "drawn", p.drawn, "accepted", p.accepted, "done", p.done,
                                     "failed", p.failed, "taken", p.taken, "window", p.window, "ended",
                                     p.ended ? Py_True : Py_False, "notice", p.notice));
}

static PyObject *stream_job(PyObject *object, PyObject *none)
{
    struct stream *self = enter(object);

    (void)none;
    return !self ? NULL : leave(self, PyLong_FromUnsignedLongLong(belt_stream_job(self->stream)));
}

static PyObject *stream_fd(PyObject *object, PyObject *none)
{
    struct stream *self = enter(object);
    int fd;

    (void)none;
    if (!self)
        return NULL;
    fd = belt_stream_fd(self->stream);
    if (self->failed || fd < 0)
        return leave_with(self, fd < 0 ? BELT_SYSTEM : BELT_OK);
    return leave(self, PyLong_FromLong(fd));
}

static PyObject *stream_interrupt(PyObject *object, PyObject *none)
{
    struct stream *self = (struct stream *)object;

    (void)none;
    if (self->stream)
        belt_stream_interrupt(self->stream);
    Py_RETURN_NONE;
}

static void let_go(struct stream *self, bool detach)
{
    belt_stream *stream = self->stream;

    self->stream = NULL;
    Py_BEGIN_ALLOW_THREADS if (detach) belt_stream_detach(&stream);
    else belt_stream_close(&stream);
    Py_END_ALLOW_THREADS
}

static PyObject *stream_close(PyObject *object, PyObject *none)
{
    struct stream *self = (struct stream *)object;

    (void)none;
    if (!self->stream)
        Py_RETURN_NONE;
    if (!enter(object))
        return NULL;
    let_go(self, self->keeps);
    Py_INCREF(Py_None);
    return leave(self, Py_None);
}

static PyObject *stream_detach(PyObject *object, PyObject *none)
{
    struct stream *self = (struct stream *)object;

    (void)none;
    if (!self->stream)
        Py_RETURN_NONE;
    if (!enter(object))
        return NULL;
    let_go(self, true);
    Py_INCREF(Py_None);
    return leave(self, Py_None);
}

static int stream_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct stream *self = (struct stream *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->pool);
    Py_VISIT(self->draw);
    return 0;
}

/* The library may still call draw(), which is why it goes first. */
static int stream_clear(PyObject *object)
{
    struct stream *self = (struct stream *)object;

    if (self->stream)
        let_go(self, self->keeps);
    Py_CLEAR(self->draw);
    Py_CLEAR(self->drawn);
    for (int i = 0; i < 3; i++)
        Py_CLEAR(self->error[i]);
    Py_CLEAR(self->pool);
    return 0;
}

static void stream_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object);
    stream_clear(object);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"next", stream_next, METH_VARARGS, "next(max, timeout_ms): results; None when there are none in time."},
    {"feed", stream_feed, METH_VARARGS, "feed(bytes, timeout_ms): whether the window had room."},
    {"end", stream_end, METH_NOARGS, "No more input."},
    {"flush", stream_flush, METH_VARARGS, "flush(timeout_ms): whether the broker has accepted all."},
    {"ack", stream_ack, METH_VARARGS, "ack(number): all results up to it are processed."},
    {"ack_flush", stream_ack_flush, METH_VARARGS, "ack_flush(timeout_ms): until the broker has the last ack."},
    {"progress", stream_progress, METH_NOARGS, "Counts of inputs and results."},
    {"job", stream_job, METH_NOARGS, "The job's id."},
    {"fd", stream_fd, METH_NOARGS, "A descriptor that is readable when next() has something."},
    {"interrupt", stream_interrupt, METH_NOARGS, "Ends a next() that waits in another thread."},
    {"close", stream_close, METH_NOARGS, "Cancels what is not finished, unless the job has a key."},
    {"detach", stream_detach, METH_NOARGS, "Lets go of the job without cancelling it."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_dealloc, (void *)stream_dealloc},
                              {Py_tp_traverse, (void *)stream_traverse},
                              {Py_tp_clear, (void *)stream_clear},
                              {Py_tp_methods, methods},
                              {Py_tp_doc, "A job of a pool and the reader of its results."},
                              {0, NULL}};

static PyType_Spec spec = {"_belt.Stream", sizeof(struct stream), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

int belt_python_add_stream(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);

    if (!type)
        return -1;
    belt_python_stream_type = (PyTypeObject *)type;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Stream", type);
}
