/* SPDX-License-Identifier: Apache-2.0
 *
 * The module `_belt`: its types, functions and codes.
 */
#include "belt_python.h"

PyObject *belt_python_error;

PyObject *belt_python_raise(int code)
{
    PyObject *value = Py_BuildValue("(is)", code, belt_error_text());

    if (value)
        PyErr_SetObject(belt_python_error, value);
    Py_XDECREF(value);
    return NULL;
}

static PyObject *code_text(PyObject *module, PyObject *args)
{
    unsigned code;

    (void)module;
    if (!PyArg_ParseTuple(args, "I:code_text", &code))
        return NULL;
    return Py_BuildValue("(sss)", belt_code_name(code), belt_code_text(code), belt_code_advice(code));
}

static PyMethodDef functions[] = {
    {"code_text", code_text, METH_VARARGS, "Name, text and advice of a code."},
    {"serve", (PyCFunction)(void (*)(void))belt_python_serve, METH_VARARGS | METH_KEYWORDS,
     "Serves a function to a broker until SIGTERM or SIGINT."},
    {"task_index", belt_python_task_index, METH_NOARGS, "Place of the running task in its job."},
    {"task_attempt", belt_python_task_attempt, METH_NOARGS, "Which run of the task this is, from 1."},
    {"task_cancelled", belt_python_task_cancelled, METH_NOARGS, "Whether the running task's result is not wanted."},
    {"task_progress", belt_python_task_progress, METH_VARARGS, "Tells how far the running task is."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_belt", "libbelt's pools, streams and slots.", -1, functions, NULL, NULL, NULL, NULL};

static int add_codes(PyObject *module)
{
#define ADD_CODE(name, number, text, advice)                                                                           \
    if (PyModule_AddIntConstant(module, #name, number) != 0)                                                           \
        return -1;
    BELT_CODES(ADD_CODE)
#undef ADD_CODE
    return 0;
}

PyMODINIT_FUNC PyInit__belt(void); /* found by its name */

PyMODINIT_FUNC PyInit__belt(void)
{
    PyObject *module = PyModule_Create(&definition);

    if (!module)
        return NULL;
    belt_python_error =
        PyErr_NewExceptionWithDoc("_belt.Error", "A code of libbelt and its sentence.", PyExc_RuntimeError, NULL);
    Py_XINCREF(belt_python_error);
    if (!belt_python_error || PyModule_AddObject(module, "Error", belt_python_error) != 0 ||
        PyModule_AddStringConstant(module, "version", belt_version()) != 0 || add_codes(module) != 0 ||
        belt_python_add_pool(module) != 0 || belt_python_add_stream(module) != 0 ||
        belt_python_add_results(module) != 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
