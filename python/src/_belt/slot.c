/* SPDX-License-Identifier: Apache-2.0
 *
 * The Python side of a slot. A slot is a fork of the process that opened the pool or serves a broker: it has that
 * process's interpreter, with the one thread that called libbelt, and that thread holds the interpreter's lock. The
 * lock is given up between tasks, so that threads which a task has started go on.
 */
#include "belt_python.h"

#include <string.h>

/* PyBUF_READ, which the limited API has had since 3.11 only. */
#define READ_ONLY 0x100

static PyThreadState *resting; /* of the slot's thread, between tasks */
static struct belt_python_slot *slot;
static belt_task *running; /* NULL: none; also in a thread that outlives its task */
static PyObject *argument; /* of the task before: jobs come in rows */

/* The exception that is set is why this slot cannot serve; it is printed, too. */
static void refuse_to_serve(void)
{
    PyObject *type, *value, *trace, *shown, *text = NULL;

    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    shown = PyObject_Repr(value);
    if (shown)
        text = PyUnicode_AsEncodedString(shown, "utf-8", "replace");
    belt_slot_fail(text ? PyBytes_AsString(text) : "the slot's Python side cannot start");
    Py_XDECREF(shown);
    Py_XDECREF(text);
    PyErr_Clear(); /* of making the text */
    PyErr_Restore(type, value, trace);
    PyErr_Print();
}

int belt_python_slot_start(void *ctx)
{
    PyObject *done;

    PyOS_AfterFork_Child();
    slot = ctx;
    done = PyObject_CallObject(slot->start, NULL);
    if (!done) {
        refuse_to_serve();
        return 1;
    }
    Py_DECREF(done);
    resting = PyEval_SaveThread();
    return 0;
}

void belt_python_slot_stop(void *ctx)
{
    PyObject *done;

    (void)ctx;
    PyEval_RestoreThread(resting);
    done = PyObject_CallObject(slot->stop, NULL);
    if (!done)
        PyErr_Print();
    Py_XDECREF(done);
}

/* A borrowed reference to the argument of the task's job; the same object for all tasks in a row. */
static PyObject *task_argument(belt_task *task)
{
    size_t len;
    const void *data = belt_task_argument(task, &len);

    if (argument && (size_t)PyBytes_Size(argument) == len && memcmp(PyBytes_AsString(argument), data, len) == 0)
        return argument;
    Py_XDECREF(argument);
    argument = PyBytes_FromStringAndSize(data, (Py_ssize_t)len);
    return argument;
}

static void reply(belt_task *task, PyObject *bytes)
{
    char *data;
    Py_ssize_t len;

    if (PyBytes_AsStringAndSize(bytes, &data, &len) != 0)
        belt_task_fail(task, "the slot's Python side gave no bytes");
    else
        belt_task_reply(task, data, (size_t)len); /* what is too large becomes the task's failure */
}

static void reply_failure(belt_task *task, PyObject *answer)
{
    PyObject *bytes = PyTuple_GetItem(answer, 0), *text = PyTuple_GetItem(answer, 1), *encoded;
    char *data = NULL;
    Py_ssize_t len = 0;

    encoded = text ? PyUnicode_AsEncodedString(text, "utf-8", "replace") : NULL;
    if (!encoded || PyBytes_AsStringAndSize(bytes, &data, &len) != 0)
        belt_task_fail(task, "the slot's Python side gave no reason");
    else if (PyBytes_Size(encoded) > 0)
        belt_task_fail_data(task, PyBytes_AsString(encoded), data, (size_t)len);
    else
        belt_task_fail(task, "the task failed");
    Py_XDECREF(encoded);
}

int belt_python_slot_run(belt_task *task, const void *data, size_t len, void *ctx)
{
    PyObject *payload, *shared, *answer = NULL;

    (void)ctx;
    PyEval_RestoreThread(resting);
    running = task;
    shared = task_argument(task);
    payload = PyMemoryView_FromMemory((char *)(uintptr_t)data, (Py_ssize_t)len, READ_ONLY);
    if (shared && payload)
        answer = PyObject_CallFunctionObjArgs(slot->run, payload, shared, NULL);
    Py_XDECREF(payload);
    if (answer && PyTuple_Check(answer))
        reply_failure(task, answer);
    else if (answer)
        reply(task, answer);
    else
        belt_task_fail(task, "the slot's Python side failed; its traceback is on standard error");
    running = NULL;
    if (PyErr_Occurred())
        PyErr_Print();
    Py_XDECREF(answer);
    resting = PyEval_SaveThread();
    return 0;
}

static PyObject *no_task(void)
{
    PyErr_SetString(PyExc_RuntimeError, "no task runs here: belt.current() is for functions that a slot runs");
    return NULL;
}

PyObject *belt_python_task_index(PyObject *module, PyObject *none)
{
    (void)module, (void)none;
    return !running ? no_task() : PyLong_FromUnsignedLongLong(belt_task_index(running));
}

PyObject *belt_python_task_attempt(PyObject *module, PyObject *none)
{
    (void)module, (void)none;
    return !running ? no_task() : PyLong_FromUnsignedLong(belt_task_attempt(running));
}

PyObject *belt_python_task_cancelled(PyObject *module, PyObject *none)
{
    (void)module, (void)none;
    return PyBool_FromLong(running && belt_task_cancelled(running));
}

PyObject *belt_python_task_progress(PyObject *module, PyObject *args)
{
    unsigned long long done, total;

    (void)module;
    if (!PyArg_ParseTuple(args, "KK:task_progress", &done, &total))
        return NULL;
    if (!running)
        return no_task();
    belt_task_progress(running, done, total);
    Py_RETURN_NONE;
}

/* What the slots of a worker call stays for the life of the process, which serves nothing else. */
static struct belt_python_slot serving;

PyObject *belt_python_serve(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"broker",        "function",  "start",  "run",      "stop",
                            "slots",         "max_tasks", "name",   "drain_ms", "start_timeout_ms",
                            "kill_after_ms", "lifeline",  "access", NULL};
    belt_worker_options options = BELT_WORKER_OPTIONS_INIT;
    const char *broker, *function;
    unsigned long long max_tasks = 0, drain = 0, start = 0;
    long long kill = options.kill_after_ms;
    int rc;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "ssOOO|iKzKKLiz:serve", names, &broker, &function, &serving.start,
                                     &serving.run, &serving.stop, &options.slots, &max_tasks, &options.name, &drain,
                                     &start, &kill, &options.lifeline_fd, &options.access))
        return NULL;
    options.max_tasks_per_slot = max_tasks;
    options.drain_ms = drain;
    options.start_timeout_ms = start;
    options.kill_after_ms = kill;
    options.slot_init = belt_python_slot_start;
    options.slot_exit = belt_python_slot_stop;
    options.slot_ctx = &serving;
    options.inherit_output = true;
    options.only_worker = options.quiet = options.lifeline_fd > 0; /* a private pool's */
    Py_INCREF(serving.start), Py_INCREF(serving.run), Py_INCREF(serving.stop);
    rc = belt_function_register(function, belt_python_slot_run, NULL);
    if (rc != BELT_OK)
        return belt_python_raise(rc);
    PyOS_BeforeFork();
    rc = belt_worker_run(broker, &options);
    PyOS_AfterFork_Parent();
    if (rc != BELT_OK)
        return belt_python_raise(rc);
    Py_RETURN_NONE;
}
