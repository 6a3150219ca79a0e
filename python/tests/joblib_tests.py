# SPDX-License-Identifier: Apache-2.0
"""Runs joblib's own tests of Parallel with Belt's backend, from where joblib is installed.

    joblib_tests.py [--short] [PYTEST OPTIONS…]

--short leaves out what starts many interpreters.

Nothing of them is changed but the list of backends that start processes, which is Belt's here.
"""

import importlib.util
import os
import sys
import tempfile

try:
    import joblib
    import pytest

    import belt.joblib  # noqa: F401
except ImportError as error:
    print(error)
    sys.exit(77)

NAME = "joblib.test.test_parallel"
LIST = "PROCESS_BACKENDS = ['multiprocessing', 'loky']"
MEMORY_MAPS = "Belt has no memory maps of arrays: they travel with their tasks"
REGISTERED = "loky's interpreters do not import belt.joblib, which registers the backend"
LEFT_OUT = {
    "test_nested_loop[loky-belt]": REGISTERED,
    "test_nested_loop[back_compat_backend-belt]": REGISTERED,
    "test_auto_memmap_on_arrays_from_generator[belt]": MEMORY_MAPS,
    "test_memmapping_leaks[belt]": MEMORY_MAPS,
}
SLOW = dict.fromkeys(
    (
        "test_nested_loop[belt-loky]",
        "test_nested_loop[belt-back_compat_backend]",
        "test_no_blas_crash_or_freeze_with_subprocesses[belt]",
        "test_error_capture[belt]",
        "test_backend_batch_statistics_reset[belt]",
    ),
    "it starts many interpreters",
)
SLOW_FUNCTIONS = (
    "test_parallel_with_unpicklable_functions_in_args",
    "test_parallel_with_interactively_defined_functions",
)


class LeaveOut:
    def __init__(self, names, functions=()):
        self._names, self._functions = names, functions

    def pytest_collection_modifyitems(self, config, items):
        items[:] = [item for item in items if not (item.name in self._names or item.originalname in self._functions)]


def load():
    """The module of the tests, with other backends in its list."""
    spec = importlib.util.find_spec(NAME)
    if spec is None:
        print("the tests of joblib are not installed")
        sys.exit(77)
    source = spec.loader.get_source(NAME)
    if LIST not in source:
        print(f"joblib {joblib.__version__} lists its backends otherwise: {LIST} was not found")
        sys.exit(77)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    exec(compile(source.replace(LIST, "PROCESS_BACKENDS = ['belt']"), spec.origin, "exec"), vars(module))
    return spec.origin


def main(*options):
    path = load()
    short = "--short" in options
    left_out = LeaveOut({**LEFT_OUT, **SLOW}, SLOW_FUNCTIONS) if short else LeaveOut(LEFT_OUT)
    options = [option for option in options if option != "--short"]
    with tempfile.TemporaryDirectory() as directory:
        # The programs that the tests start know the backend, too.
        with open(os.path.join(directory, "sitecustomize.py"), "w") as file:
            file.write("import sys\nif 'joblib.externals' not in ' '.join(sys.orig_argv):\n    import belt.joblib\n")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (directory, os.environ.get("PYTHONPATH"))))
        return pytest.main(["-p", "no:cacheprovider", "-W", "ignore", "-k", "belt", *options, path], plugins=[left_out])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
