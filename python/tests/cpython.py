# SPDX-License-Identifier: Apache-2.0
"""Runs the standard library's own tests of process pools on Belt, from where they are installed.

    cpython.py pool|executor|main fork|spawn|forkserver [--short | TEST…]

--short leaves out what only sleeps.

Nothing of them is changed but what they import. Left out are tests of private attributes, and those of what Belt does
otherwise on purpose; each with its reason.
"""

import importlib.util
import os
import multiprocessing
import multiprocessing.pool
import concurrent.futures
import sys
import time
import unittest

import _belt

import belt

PRIVATE = "it reads private attributes"
OTHER = "it runs another program, which imports the standard library's; {} has its like"
UNPICKLING = "an error while unpickling belongs to its task and does not break the pool"
LEFT_OUT = {
    "test_make_pool": PRIVATE,
    "test_pool_worker_lifetime": PRIVATE,
    "test_imap_handle_iterable_exception": "what was drawn before an input that fails is delivered, not dropped",
    "test_imap_unordered_handle_iterable_exception": "what was drawn before an input that fails is delivered, not dropped",
    "test_worker_finalization_via_atexit_handler_of_multiprocessing": OTHER.format("test_pool.py"),
    "test_processes_terminate": PRIVATE,
    "test_context_manager_shutdown": PRIVATE,
    "test_del_shutdown": PRIVATE,
    "test_shutdown_no_wait": PRIVATE,
    "test_saturation": PRIVATE,
    "test_idle_process_reuse_one": PRIVATE,
    "test_idle_process_reuse_multiple": PRIVATE,
    "test_max_tasks_per_child": PRIVATE,
    "test_max_tasks_per_child_defaults_to_spawn_context": PRIVATE,
    "test_interpreter_shutdown": OTHER.format("test_futures.py"),
    "test_submit_after_interpreter_shutdown": OTHER.format("test_futures.py"),
    "test_shutdown_deadlock_pickle": PRIVATE,
    "test_exit_at_task_unpickle": UNPICKLING,
    "test_error_at_task_unpickle": UNPICKLING,
    "test_error_during_result_unpickle_in_result_handler": UNPICKLING,
    "test_exit_during_result_unpickle_in_result_handler": UNPICKLING,
    "test_killed_child": "a killed child does not break the pool",
}


SLOW = (
    "test_20369",
    "test_duplicate_futures",
    "test_first_completed",
    "test_first_completed_some_already_completed",
    "test_first_exception",
    "test_first_exception_one_already_failed",
    "test_first_exception_some_already_complete",
    "test_map_timeout",
    "test_timeout",
    "test_zero_timeout",
)


def pool_tests(method):
    import test._test_multiprocessing as tests

    multiprocessing.Pool = belt.Pool
    tests.ProcessesMixin.Pool = staticmethod(belt.Pool)
    module = importlib.import_module(f"test.test_multiprocessing_{method}")
    names = "WithProcessesTestPool", "WithProcessesTestPoolWorkerErrors", "WithProcessesTestPoolWorkerLifetime"
    return [getattr(module, name) for name in names], module.setUpModule, module.tearDownModule


def executor_tests(method):
    concurrent.futures.ProcessPoolExecutor = concurrent.futures.process.ProcessPoolExecutor = belt.ProcessPoolExecutor
    tests = importlib.import_module("test.test_concurrent_futures")
    classes = [value for value in vars(tests).values() if isinstance(value, type) and issubclass(value, unittest.TestCase)]
    return [cls for cls in classes if getattr(cls, "ctx", None) == method], tests.setUpModule, lambda: None


def main_tests(method):
    """Of programs that are scripts, packages or archives; their lines that import the Pool are changed."""
    name = "test.test_multiprocessing_main_handling"
    spec = importlib.util.find_spec(name)
    where = [os.path.dirname(os.path.dirname(belt.__file__)), os.path.dirname(_belt.__file__)]
    own = f"sys.path += {where}\nfrom belt import Pool\nfrom multiprocessing import set_start_method"  # without PYTHONPATH
    source = spec.loader.get_source(name).replace("from multiprocessing import Pool, set_start_method", own)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    exec(compile(source, spec.origin, "exec"), vars(module))
    assert source.count(own) == 2, "the programs of these tests are others"
    cls = {"fork": "ForkCmdLineTest", "spawn": "SpawnCmdLineTest", "forkserver": "ForkServerCmdLineTest"}[method]
    return [getattr(module, cls)], lambda: None, module.tearDownModule


def leave_out(cls, names):
    for name, reason in names.items():
        if hasattr(cls, name):
            setattr(cls, name, unittest.skip(reason)(getattr(cls, name)))


class Timed(unittest.TextTestResult):
    """Tells how long each test took."""

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        self.stream.write(f"{time.monotonic() - self.started:.2f} s ")
        super().addSuccess(test)


def main(what, method, *wanted):
    classes, set_up, tear_down = {"pool": pool_tests, "executor": executor_tests, "main": main_tests}[what](method)
    suite = unittest.TestSuite()
    short = "--short" in wanted
    wanted = [name for name in wanted if name != "--short"]
    for cls in classes:
        leave_out(cls, LEFT_OUT)
        if short:
            leave_out(cls, dict.fromkeys(SLOW, "it sleeps for seconds"))
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(cls):
            if not wanted or test._testMethodName in wanted:
                suite.addTest(test)
    set_up()
    try:
        result = unittest.TextTestRunner(verbosity=2, resultclass=Timed).run(suite)
    finally:
        tear_down()
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    if sys.version_info[:2] != (3, 11):
        print("it knows where the tests of Python 3.11 are; other versions have them elsewhere")
        sys.exit(77)
    try:
        import test._test_multiprocessing  # noqa: F401
    except ImportError:
        print("the tests of Python are not installed: install libpython3.X-testsuite of this version")
        sys.exit(77)
    sys.exit(main(*sys.argv[1:]))
