/* SPDX-License-Identifier: Apache-2.0
 *
 * Results objects: what an iterator over results is made of. Values that lie ready are given here, without a call into
 * Python for each; when there are none left, next() of the derived class is asked.
 *
 * All of it happens with the interpreter's lock held, so that threads may share an iterator.
 */
#include "belt_python.h"

#include <stddef.h>
#include <structmember.h>

struct results {
    PyObject_HEAD PyObject *values; /* a list, whose places before `at` are empty; NULL: none */
    Py_ssize_t at;
    Py_ssize_t given; /* by this type, over the life of the object */
};

/* The next value; NULL without an exception: there are none. */
static PyObject *pop(struct results *self)
{
    PyObject *value;

    if (!self->values || self->at >= PyList_Size(self->values))
        return NULL;
    value = PyList_GetItem(self->values, self->at);
    Py_INCREF(value);
    Py_INCREF(Py_None);
    PyList_SetItem(self->values, self->at++, Py_None); /* the value is the caller's alone */
    self->given++;
    return value;
}

static PyObject *results_next(PyObject *object)
{
    PyObject *value = pop((struct results *)object);

    return value ? value : PyObject_CallMethod(object, "next", NULL);
}

static PyObject *results_pop(PyObject *object, PyObject *none)
{
    PyObject *value = pop((struct results *)object);

    (void)none;
    if (!value)
        PyErr_SetString(PyExc_IndexError, "no value lies ready");
    return value;
}

static PyObject *results_lay_ready(PyObject *object, PyObject *values)
{
    struct results *self = (struct results *)object;
    PyObject *old = self->values;

    if (!PyList_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "a list is needed");
        return NULL;
    }
    Py_INCREF(values);
    self->values = values;
    self->at = 0;
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *results_ready(PyObject *object, PyObject *none)
{
    struct results *self = (struct results *)object;

    (void)none;
    return PyLong_FromSsize_t(!self->values ? 0 : PyList_Size(self->values) - self->at);
}

static int results_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((struct results *)object)->values);
    return 0;
}

static int results_clear(PyObject *object)
{
    Py_CLEAR(((struct results *)object)->values);
    return 0;
}

static void results_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    PyObject_GC_UnTrack(object);
    results_clear(object);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"_pop", results_pop, METH_NOARGS, "The next value of those that lie ready."},
    {"_lay_ready", results_lay_ready, METH_O, "These values, a list that is the object's from here on, come next."},
    {"_count_ready", results_ready, METH_NOARGS, "How many values lie ready."},
    {NULL, NULL, 0, NULL}};

static PyMemberDef members[] = {
    {"_given", T_PYSSIZET, offsetof(struct results, given), READONLY, "How many values were given so far."},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot slots[] = {{Py_tp_dealloc, (void *)results_dealloc},
                              {Py_tp_traverse, (void *)results_traverse},
                              {Py_tp_clear, (void *)results_clear},
                              {Py_tp_iter, (void *)PyObject_SelfIter},
                              {Py_tp_iternext, (void *)results_next},
                              {Py_tp_methods, methods},
                              {Py_tp_members, members},
                              {Py_tp_doc, "Values that lie ready; then next() is called."},
                              {0, NULL}};

static PyType_Spec spec = {"_belt.Results", sizeof(struct results), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};

int belt_python_add_results(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&spec);

    return !type ? -1 : PyModule_AddObject(module, "Results", type);
}
