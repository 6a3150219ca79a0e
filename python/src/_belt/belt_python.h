/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources of the extension share. The extension hands libbelt's pools, streams and slots to Python as they
 * are; what is sent in them, and when, is decided in the package `belt`.
 *
 * It is compiled against the limited API of Python 3.9, so that one binary serves all later versions.
 */
#ifndef BELT_PYTHON_H
#define BELT_PYTHON_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x03090000
#endif
#include <Python.h>

#include <belt/belt.h>

/** `_belt.Error`: a code of libbelt and its sentence. */
extern PyObject *belt_python_error;
extern PyTypeObject *belt_python_pool_type, *belt_python_stream_type;

/** Raises Error(code, text of the thread's last failure). Returns NULL. */
PyObject *belt_python_raise(int code);

/** The callables that run in slots. They are owned by the pool object, and copied with the process. */
struct belt_python_slot {
    PyObject *start; /* start(): before the first task */
    PyObject *run;   /* run(payload, argument): bytes; or (bytes, text): the task failed */
    PyObject *stop;  /* stop(): after the last task */
};

/** The functions that libbelt calls in slots; their `ctx` is a struct belt_python_slot. */
int belt_python_slot_start(void *ctx);
void belt_python_slot_stop(void *ctx);
int belt_python_slot_run(belt_task *task, const void *data, size_t len, void *ctx);

/** The running task, for functions of the module. */
PyObject *belt_python_task_index(PyObject *module, PyObject *none);
PyObject *belt_python_task_attempt(PyObject *module, PyObject *none);
PyObject *belt_python_task_cancelled(PyObject *module, PyObject *none);
PyObject *belt_python_task_progress(PyObject *module, PyObject *args);

/** serve(broker, function, slot callables, options): belt_worker_run(). */
PyObject *belt_python_serve(PyObject *module, PyObject *args, PyObject *keywords);

int belt_python_add_pool(PyObject *module);
int belt_python_add_stream(PyObject *module);
int belt_python_add_results(PyObject *module);

/** A pool's stream; `pool` is a Pool object. */
PyObject *belt_python_stream_new(PyObject *pool, belt_pool *belt, PyObject *args, PyObject *keywords);
/** A stream that reads a job by its id. */
PyObject *belt_python_stream_subscribe(PyObject *pool, belt_pool *belt, PyObject *args, PyObject *keywords);

#endif
