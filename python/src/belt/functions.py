# SPDX-License-Identifier: Apache-2.0
"""Functions on their way to slots: by reference if a slot finds the very same function there, else by value.

A slot that was forked has the program's modules as they were when the pool was opened. What was defined anew since (in
a cell of a notebook, by importlib.reload) travels by value, so that it never runs in its old version.
"""

import io
import pickle
import sys
import types

try:
    import cloudpickle
except ImportError:
    cloudpickle = None

_PLAIN = (types.FunctionType, types.BuiltinFunctionType, type)


class _ByValue(Exception):
    """Something in it is not what a slot would find."""


class _Checker(pickle.Pickler):
    """Pickles as a reference only what slots find in the version of the program."""

    def __init__(self, file, seen):
        super().__init__(file, 5)
        self._seen = seen

    def reducer_override(self, value):
        if isinstance(value, _PLAIN) and not self._seen.finds(value):
            raise _ByValue
        return NotImplemented


class Seen:
    """What slots find. `shared_main`: they have the program's __main__."""

    def __init__(self, inherited=True, shared_main=True):
        main = sys.modules.get("__main__")
        self._main = dict(vars(main)) if shared_main and main is not None else None
        self._specs = {
            name: getattr(module, "__spec__", None) for name, module in list(sys.modules.items()) if module is not None
        }
        self._inherited = inherited

    def finds(self, value):
        """Whether a slot that looks for this function or class by its name finds it in this version."""
        name, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if name is None or path is None:
            return True  # pickle knows
        if name in ("__main__", "__mp_main__"):
            top = path.split(".", 1)[0]
            now = vars(sys.modules["__main__"]).get(top, self)
            return self._main is not None and self._main.get(top) is now
        module = sys.modules.get(name)
        if module is None:
            return True
        spec = getattr(module, "__spec__", None)
        if name in self._specs:
            known = self._specs[name]
            return known is spec and (known is not None or self._inherited)
        return spec is not None


def encode(function, seen):
    """The bytes that name or hold `function`."""
    if not callable(function):
        raise TypeError(f"a function is needed, not {function!r}")
    file = io.BytesIO()
    try:
        _Checker(file, seen).dump(function)
        return file.getvalue()
    except (_ByValue, pickle.PicklingError, AttributeError, TypeError) as error:
        if cloudpickle is None:
            raise pickle.PicklingError(
                f"{function!r} cannot be imported by a worker process, or was defined anew after the pool was opened: "
                "define it in a module before the pool is opened, or install cloudpickle, with which functions "
                "travel by value"
            ) from (None if isinstance(error, _ByValue) else error)
        return _by_value(function, seen)


def _by_value(function, seen):
    """Also of a module that was reloaded, whose functions cloudpickle takes for importable."""
    module = None
    if isinstance(function, _PLAIN) and not seen.finds(function):
        module = sys.modules.get(function.__module__)
    if module is None or module.__name__ == "__main__" or not hasattr(cloudpickle, "register_pickle_by_value"):
        return cloudpickle.dumps(function)
    if module.__name__ in cloudpickle.list_registry_pickle_by_value():
        return cloudpickle.dumps(function)
    try:
        cloudpickle.register_pickle_by_value(module)
    except ValueError:  # it is not in sys.modules under its name
        return cloudpickle.dumps(function)
    try:
        return cloudpickle.dumps(function)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def decode(data):
    """The function."""
    return pickle.loads(data)
