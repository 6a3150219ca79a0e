# SPDX-License-Identifier: Apache-2.0
"""ProcessPoolExecutor, beyond what the standard library's tests say of it (cpython.py)."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
import unittest
from concurrent.futures.process import BrokenProcessPool

from belt import ProcessPoolExecutor, WorkerLost

WAIT = 60


def square(x):
    return x * x


def add(x, y):
    return x + y


def five_fails(x):
    if x == 5:
        raise ValueError("five")
    return x


def die(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def fail():
    raise OSError("no licence")


class Executor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.executor = ProcessPoolExecutor(2)

    @classmethod
    def tearDownClass(cls):
        cls.executor.shutdown()
        del cls.executor

    def test_submit(self):
        self.assertEqual(self.executor.submit(add, 3, y=4).result(WAIT), 7)
        self.assertEqual(self.executor.num_workers, 2)
        future = self.executor.submit(five_fails, 5)
        self.assertIsInstance(future.exception(WAIT), ValueError)

    def test_map(self):
        want = [i + 1 for i in range(50)]
        for more in {}, {"chunksize": 7}, {"buffersize": 3}, {"chunksize": 7, "buffersize": 20}:
            with self.subTest(**more):
                self.assertEqual(list(self.executor.map(add, range(50), [1] * 50, **more)), want)
                self.assertEqual(list(self.executor.starmap(add, ((i, 1) for i in range(50)), **more)), want)
                self.assertEqual(sorted(self.executor.map(add, range(50), [1] * 50, unordered=True, **more)), want)
        for wrong in {"chunksize": 0}, {"buffersize": 0}:
            with self.assertRaises(ValueError):
                self.executor.map(square, [1], **wrong)

    def test_map_stops_at_an_error_that_stands_in_its_place(self):
        for more in {}, {"chunksize": 4}, {"buffersize": 3}:
            with self.subTest(**more):
                got = []
                with self.assertRaisesRegex(ValueError, "five"):
                    for value in self.executor.map(five_fails, range(10), **more):
                        got.append(value)
                self.assertEqual(got, list(range(5)))

    def test_map_draws_as_results_are_taken(self):
        drawn = 0

        def numbers():
            nonlocal drawn
            for i in range(40):
                drawn += 1
                yield i

        results = self.executor.map(square, numbers(), buffersize=2)
        for taken in range(1, 41):
            self.assertEqual(next(results), (taken - 1) ** 2)
            self.assertLessEqual(drawn, taken + 2)

    def test_a_time_out_of_a_map(self):
        for seconds, more in (2, {}), (WAIT, {"buffersize": 2}):  # without buffersize the last one runs to its end
            with self.assertRaises(concurrent.futures.TimeoutError):
                list(self.executor.map(time.sleep, [0, seconds], timeout=0.2, **more))

    def test_a_killed_worker_fails_its_own_task_only(self):
        for more in {}, {"chunksize": 6}:
            got = []
            with self.assertRaises(WorkerLost):
                for value in self.executor.map(die, range(6), **more):
                    got.append(value)
            self.assertEqual(got, [0, 1, 2])
            self.assertEqual(self.executor.submit(square, 3).result(WAIT), 9)

    def test_what_waits_can_be_cancelled(self):
        with ProcessPoolExecutor(1) as executor:
            futures = [executor.submit(time.sleep, 0.2) for _ in range(30)]
            self.assertTrue(futures[-1].cancel())
            self.assertTrue(futures[-1].cancelled())
            for future in futures:
                future.cancel()
            self.assertEqual(executor.submit(square, 3).result(WAIT), 9)


class Ends(unittest.TestCase):
    def test_an_initializer_that_fails_breaks_the_executor(self):
        with ProcessPoolExecutor(1, initializer=fail) as executor:
            with self.assertRaises(BrokenProcessPool):
                executor.submit(square, 1).result(WAIT)
            with self.assertRaises(BrokenProcessPool):
                executor.submit(square, 1)

    def test_shutdown(self):
        executor = ProcessPoolExecutor(2)
        futures = [executor.submit(square, i) for i in range(100)]
        results = executor.map(square, range(20))
        executor.shutdown(wait=False)
        self.assertRaises(RuntimeError, executor.submit, square, 1)
        self.assertEqual([future.result(WAIT) for future in futures], [i * i for i in range(100)])
        self.assertEqual(list(results), [i * i for i in range(20)])
        executor.shutdown()

    def test_one_that_is_dropped_does_what_was_submitted(self):
        executor = ProcessPoolExecutor(1)
        futures = [executor.submit(square, i) for i in range(20)]
        del executor
        self.assertEqual([future.result(WAIT) for future in futures], [i * i for i in range(20)])

    def run_program(self, text):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_what_was_submitted_is_done_before_the_interpreter_ends(self):
        done = self.run_program(
            "import time\nfrom belt import ProcessPoolExecutor\n"
            "def late():\n    time.sleep(0.3)\n    print('apple')\n"
            "executor = ProcessPoolExecutor(2)\nexecutor.submit(late)\n"
        )
        self.assertEqual((done.stdout, done.stderr), ("apple\n", ""))

    def test_nothing_is_submitted_to_an_interpreter_that_ends(self):
        done = self.run_program(
            "import atexit\n@atexit.register\ndef last():\n"
            "    try: executor.submit(id, None)\n"
            "    except RuntimeError as error: print(error)\n"
            "from belt import ProcessPoolExecutor\nexecutor = ProcessPoolExecutor(2)\n"
            "executor.submit(id, 42).result()\n"
        )
        self.assertEqual(done.stdout, "cannot schedule new futures after shutdown\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
