/* SPDX-License-Identifier: Apache-2.0
 *
 * Pool objects: a belt_pool and what its slots call.
 */
#include "belt_python.h"

struct pool {
    PyObject_HEAD belt_pool *pool;
    struct belt_python_slot slot;
};

PyTypeObject *belt_python_pool_type;

/* A private pool is forked with the interpreter's lock held, so that the slots have an interpreter at rest. */
static int open_private(struct pool *self, const belt_pool_options *options, const char *function)
{
    int rc = belt_function_register(function, belt_python_slot_run, NULL);

    if (rc != BELT_OK)
        return rc;
    PyOS_BeforeFork();
    rc = belt_pool_open(NULL, options, &self->pool);
    PyOS_AfterFork_Parent();
    return rc;
}

static int open_shared(struct pool *self, const char *broker, const belt_pool_options *options)
{
    int rc;

    Py_BEGIN_ALLOW_THREADS rc = belt_pool_open(broker, options, &self->pool);
    Py_END_ALLOW_THREADS return rc;
}

static PyObject *pool_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"broker",
                            "function",
                            "start",
                            "run",
                            "stop",
                            "slots",
                            "max_tasks",
                            "name",
                            "connect_timeout_ms",
                            "lost_timeout_ms",
                            "start_timeout_ms",
                            "kill_after_ms",
                            "external",
                            "max_payload",
                            "memory",
                            "access",
                            NULL};
    belt_pool_options options = BELT_POOL_OPTIONS_INIT;
    const char *broker, *function;
    unsigned long long max_tasks = 0, start = 0, max_payload = 0, memory = 0;
    int external = 0;
    long long connect = options.connect_timeout_ms, lost = options.lost_timeout_ms, kill = options.kill_after_ms;
    PyObject *callables[3];
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    struct pool *self;
    int rc;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "zsOOO|iKzLLKLpKKz:Pool", names, &broker, &function, &callables[0],
                                     &callables[1], &callables[2], &options.slots, &max_tasks, &options.name, &connect,
                                     &lost, &start, &kill, &external, &max_payload, &memory, &options.access))
        return NULL;
    self = (struct pool *)alloc(type, 0);
    if (!self)
        return NULL;
    self->slot = (struct belt_python_slot){callables[0], callables[1], callables[2]};
    Py_INCREF(callables[0]), Py_INCREF(callables[1]), Py_INCREF(callables[2]);
    options.max_tasks_per_slot = max_tasks;
    options.max_payload = max_payload;
    options.memory = memory;
    options.connect_timeout_ms = connect;
    options.lost_timeout_ms = lost;
    options.start_timeout_ms = start;
    options.kill_after_ms = kill;
    options.slot_init = belt_python_slot_start;
    options.slot_exit = belt_python_slot_stop;
    options.slot_ctx = &self->slot;
    options.external_workers = external;
    options.inherit_output = true;
    rc = !broker ? open_private(self, &options, function) : open_shared(self, broker, &options);
    if (rc != BELT_OK) {
        belt_python_raise(rc);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void close_pool(struct pool *self)
{
    belt_pool *pool = self->pool;

    self->pool = NULL;
    Py_BEGIN_ALLOW_THREADS /* calls that are inside may need the lock to leave */
        belt_pool_close(&pool);
    Py_END_ALLOW_THREADS
}

static void pool_dealloc(PyObject *object)
{
    struct pool *self = (struct pool *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    close_pool(self);
    Py_XDECREF(self->slot.start);
    Py_XDECREF(self->slot.run);
    Py_XDECREF(self->slot.stop);
    release(object);
    Py_DECREF(type);
}

static PyObject *pool_close(PyObject *object, PyObject *none)
{
    (void)none;
    close_pool((struct pool *)object);
    Py_RETURN_NONE;
}

static PyObject *pool_stream(PyObject *object, PyObject *args, PyObject *keywords)
{
    return belt_python_stream_new(object, ((struct pool *)object)->pool, args, keywords);
}

static PyObject *pool_subscribe(PyObject *object, PyObject *args, PyObject *keywords)
{
    return belt_python_stream_subscribe(object, ((struct pool *)object)->pool, args, keywords);
}

/* workers(): the address for the workers of a private pool that has no slots of its own. */
static PyObject *pool_workers(PyObject *object, PyObject *none)
{
    (void)none;
    return Py_BuildValue("z", belt_pool_workers(((struct pool *)object)->pool));
}

/* lifeline(): a descriptor that reads end of file when that pool is closed. */
static PyObject *pool_lifeline(PyObject *object, PyObject *none)
{
    (void)none;
    return PyLong_FromLong(belt_pool_lifeline(((struct pool *)object)->pool));
}

/* slots(function): how many slots of the broker's workers serve it. */
static PyObject *pool_slots(PyObject *object, PyObject *args)
{
    struct pool *self = (struct pool *)object;
    belt_status *status = NULL;
    const char *function;
    unsigned slots = 0;
    int rc;

    if (!PyArg_ParseTuple(args, "s:slots", &function))
        return NULL;
    Py_BEGIN_ALLOW_THREADS rc = belt_status_get(self->pool, BELT_STATUS_QUEUES, function, NULL, 5000, &status);
    Py_END_ALLOW_THREADS if (rc != BELT_OK) return belt_python_raise(rc);
    for (size_t i = 0; i < status->count; i++)
        slots += status->queues[i]->slots;
    belt_status_free(&status);
    return PyLong_FromUnsignedLong(slots);
}

static PyMethodDef methods[] = {
    {"close", pool_close, METH_NOARGS, "Ends the pool: its jobs are cancelled, private slots are stopped."},
    {"stream", (PyCFunction)(void (*)(void))pool_stream, METH_VARARGS | METH_KEYWORDS, "Opens a job and its stream."},
    {"subscribe", (PyCFunction)(void (*)(void))pool_subscribe, METH_VARARGS | METH_KEYWORDS, "Reads a job by its id."},
    {"workers", pool_workers, METH_NOARGS, "The address for workers of an external pool."},
    {"lifeline", pool_lifeline, METH_NOARGS, "A descriptor that reads end of file when an external pool is closed."},
    {"slots", pool_slots, METH_VARARGS, "The number of slots that serve a function."},
    {NULL, NULL, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_new, (void *)pool_new},
                              {Py_tp_dealloc, (void *)pool_dealloc},
                              {Py_tp_methods, methods},
                              {Py_tp_doc, "A pool of libbelt."},
                              {0, NULL}};

static PyType_Spec spec = {"_belt.Pool", sizeof(struct pool), 0, Py_TPFLAGS_DEFAULT, slots};

int belt_python_add_pool(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);

    if (!type)
        return -1;
    belt_python_pool_type = (PyTypeObject *)type;
    Py_INCREF(type);
    return PyModule_AddObject(module, "Pool", type);
}
