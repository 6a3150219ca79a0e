# SPDX-License-Identifier: Apache-2.0
"""Pool: its calls, errors, laziness, packing, and how it ends. No network."""

import concurrent.futures
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import unittest.mock
import warnings
from multiprocessing.pool import RemoteTraceback

import belt
from belt import Pool

WAIT = 60  # seconds; what takes longer hangs


def square(x):
    return x * x


def power(x, y=2):
    return x**y


def five_fails(x):
    if x == 5:
        raise ValueError("five")  # the line that the traceback shows
    return x


def squares_of_a_pool(count):
    with Pool(2) as pool:
        return pool.map(square, range(count))


def unstartable(_):
    raise OSError("no descriptors")


def stops_at_five(x):
    if x == 5:
        raise StopIteration("five")
    return x


def pid(_=None):
    return os.getpid()


def die(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die_once(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return belt.current().attempt
    os.kill(os.getpid(), signal.SIGKILL)


def fail_once(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return belt.current().attempt
    raise ValueError("the first time")


def sleep(seconds):
    time.sleep(seconds)
    return seconds


def count(_):
    state = belt.current().state
    state["count"] = state.get("count", 0) + 1
    return state["count"]


def unpicklable(_):
    return lambda: None


class Refuses:
    def __reduce__(self):
        raise RuntimeError("this input refuses")


class RefusesHere:
    """Can be pickled in a slot, and not be unpickled."""

    def __reduce__(self):
        return _raise, ()


def _raise():
    raise RuntimeError("this result refuses")


def refuses_here(x):
    return RefusesHere() if x == 1 else x


def setting(_):
    return value


def set_value(to):
    global value
    value = to


def fail():
    raise OSError("no licence")


def children():
    """Processes below this one."""
    found, below = {}, []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                found.setdefault(int(fields[1]), []).append(int(entry))
    todo = [os.getpid()]
    while todo:
        for child in found.get(todo.pop(), ()):
            below.append(child)
            todo.append(child)
    return below


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pool = Pool(2)

    @classmethod
    def tearDownClass(cls):
        cls.pool.terminate()
        cls.pool.join()
        del cls.pool


class Calls(Base):
    def test_apply(self):
        self.assertEqual(self.pool.apply(power, (3,), {"y": 3}), 27)
        self.assertEqual([self.pool.apply(square, (i,)) for i in range(20)], [i * i for i in range(20)])

    def test_apply_async_calls_back(self):
        seen, errors = [], []
        good = self.pool.apply_async(square, (7,), callback=seen.append)
        bad = self.pool.apply_async(five_fails, (5,), callback=seen.append, error_callback=errors.append)
        self.assertEqual(good.get(WAIT), 49)
        with self.assertRaises(ValueError):
            bad.get(WAIT)
        self.assertTrue(good.successful())
        self.assertFalse(bad.successful())
        self.assertEqual(seen, [49])
        self.assertEqual([repr(error) for error in errors], ["ValueError('five')"])

    def test_a_callback_that_fails_is_shown_and_nothing_stops(self):
        shown = []
        old, sys.excepthook = sys.excepthook, lambda *error: shown.append(error[0])
        try:
            result = self.pool.apply_async(square, (2,), callback=lambda value: 1 / 0)
            self.assertEqual(result.get(WAIT), 4)
            self.assertEqual(self.pool.apply(square, (3,)), 9)
        finally:
            sys.excepthook = old
        self.assertEqual(shown, [ZeroDivisionError])

    def test_many_at_once(self):
        results = [self.pool.apply_async(square, (i,)) for i in range(3000)]
        self.assertEqual([result.get(WAIT) for result in results], [i * i for i in range(3000)])

    def test_not_ready(self):
        result = self.pool.apply_async(sleep, (0.5,))
        self.assertFalse(result.ready())
        with self.assertRaises(ValueError):
            result.successful()
        for kind in multiprocessing.TimeoutError, TimeoutError, belt.TimeoutError:
            with self.assertRaises(kind):
                result.get(0.001)
        self.assertEqual(result.get(WAIT), 0.5)

    def test_from_threads(self):
        got = {}

        def call(base):
            got[base] = [self.pool.apply(square, (base + i,)) for i in range(50)]

        threads = [threading.Thread(target=call, args=(base,)) for base in range(0, 400, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT)
        self.assertEqual(got, {base: [(base + i) ** 2 for i in range(50)] for base in range(0, 400, 100)})

    def test_large_payloads(self):
        for size in 100_000, 3_000_000, 12_000_000:
            data = bytes(size)
            results = [self.pool.apply_async(len, (data,)) for _ in range(20)]
            self.assertEqual([result.get(WAIT) for result in results], [size] * 20)
        with Pool(1, max_payload=16_000_000) as pool:
            with self.assertRaisesRegex(belt.TooLarge, "limit"):
                pool.apply(len, (bytes(20_000_000),))
            with self.assertRaisesRegex(belt.TooLarge, "limit"):
                pool.apply(bytes, (20_000_000,))
        with self.assertRaises(ValueError):
            Pool(1, max_payload=0)
        with self.assertRaises(ValueError):
            Pool(1, memory=0)
        with self.assertRaises(ValueError):
            Pool(1, memory=1 << 24, broker="127.0.0.1:1")

    def test_memory_is_what_the_advice_says(self):
        with Pool(1, memory=8 << 20) as pool:
            with self.assertRaisesRegex(belt.TooLarge, "limit"):  # payloads are no larger than the memory
                pool.apply(len, (bytes(9 << 20),))
            self.assertEqual(pool.apply(len, (bytes(7 << 20),)), 7 << 20)

    def test_state_and_index(self):
        with Pool(1) as pool:
            self.assertEqual(pool.map(count, range(4), chunksize=1), [1, 2, 3, 4])
        with self.assertRaises(RuntimeError):
            belt.current()


class Maps(Base):
    def test_map(self):
        for chunksize in None, 1, 7, 1000:
            with self.subTest(chunksize=chunksize):
                self.assertEqual(self.pool.map(square, range(500), chunksize), [i * i for i in range(500)])
        self.assertEqual(self.pool.map(square, []), [])
        self.assertEqual(self.pool.map(square, (i for i in range(3))), [0, 1, 4])

    def test_starmap(self):
        rows = [(i, 3) for i in range(50)]
        self.assertEqual(self.pool.starmap(power, rows), [i**3 for i in range(50)])
        self.assertEqual(self.pool.starmap_async(power, rows, 4).get(WAIT), [i**3 for i in range(50)])
        self.assertEqual(list(self.pool.istarmap(power, rows)), [i**3 for i in range(50)])
        self.assertEqual(sorted(self.pool.istarmap_unordered(power, rows)), [i**3 for i in range(50)])

    def test_imap(self):
        for chunksize in None, 1, 7, 1000:
            with self.subTest(chunksize=chunksize):
                self.assertEqual(list(self.pool.imap(square, iter(range(500)), chunksize)), [i * i for i in range(500)])
                self.assertEqual(
                    sorted(self.pool.imap_unordered(square, range(500), chunksize)), [i * i for i in range(500)]
                )

    def test_an_error_belongs_to_its_item(self):
        for chunksize in None, 1, 4:
            with self.subTest(chunksize=chunksize):
                results, got = self.pool.imap(five_fails, range(10), chunksize), []
                for i in range(10):
                    try:
                        got.append(next(results))
                    except ValueError as error:
                        got.append(str(error))
                        self.assertIs(type(error.__cause__), RemoteTraceback)
                        self.assertIn("the line that the traceback shows", str(error.__cause__))
                        self.assertNotIn("slot.py", str(error.__cause__))
                self.assertEqual(got, [0, 1, 2, 3, 4, "five", 6, 7, 8, 9])
                self.assertRaises(StopIteration, next, results)
                with self.assertRaisesRegex(ValueError, "five"):
                    self.pool.map(five_fails, range(10), chunksize)

    def test_a_stop_iteration_belongs_to_its_item(self):
        for call in self.pool.map, self.pool.imap:
            got = list(call(stops_at_five, range(12), 4, on_error="return"))
            self.assertEqual([x for x in got if isinstance(x, int)], [i for i in range(12) if i != 5])
            self.assertIsInstance(got[5], StopIteration)

    def test_a_pack_that_is_too_large_is_sent_in_its_items(self):
        with Pool(1, max_payload=1 << 20) as pool:
            items = [bytes(300_000)] * 8
            self.assertEqual(pool.map(len, items, 8), [300_000] * 8)
            self.assertEqual(list(pool.imap(len, items, 8)), [300_000] * 8)
            with self.assertRaises(belt.TooLarge):
                pool.map(len, [b"", bytes(2_000_000)], 2)

    def test_maps_at_once_and_from_threads(self):
        results = [self.pool.map_async(square, range(3000 + i)) for i in range(8)]
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            more = list(threads.map(lambda i: self.pool.map(square, range(1000 + i)), range(20)))
        for first, rows in (3000, [result.get(WAIT) for result in results]), (1000, more):
            for i, row in enumerate(rows):
                self.assertEqual(row, [x * x for x in range(first + i)])

    def test_what_lies_ready_is_counted_and_given_once(self):
        results = self.pool.imap(square, range(1000), 100)
        self.assertEqual([next(results), results.next(), next(results)], [0, 1, 4])
        self.assertEqual(results.progress()["taken"], 3)
        self.assertEqual(results.__length_hint__(), 997)
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            rest = [x for part in threads.map(lambda _: list(results), range(4)) for x in part]
        self.assertEqual(sorted(rest), [i * i for i in range(3, 1000)])

    def test_closing_forgets_what_lies_ready(self):
        results = self.pool.imap(square, range(1000), 100)
        next(results)
        results.close()
        self.assertEqual(list(results), [])

    def test_errors_as_results(self):
        for got in (
            list(self.pool.imap(five_fails, range(10), 3, on_error="return")),
            self.pool.map(five_fails, range(10), 3, on_error="return"),
        ):
            self.assertEqual([repr(each) for each in got[4:7]], ["4", "ValueError('five')", "6"])
        with self.assertRaises(ValueError):
            self.pool.map(five_fails, [], on_error="ignore")

    def test_an_input_that_fails_ends_the_stream_at_its_place(self):
        def numbers():
            yield from range(7)
            raise KeyError("input")

        for chunksize in None, 1, 2, 100:
            with self.subTest(chunksize=chunksize):
                results, got = self.pool.imap(square, numbers(), chunksize), []
                with self.assertRaisesRegex(KeyError, "input"):
                    for value in results:
                        got.append(value)
                self.assertEqual(got, [i * i for i in range(7)])
                self.assertRaises(StopIteration, next, results)
        with self.assertRaises(KeyError):
            self.pool.map(square, numbers())

    def test_what_cannot_be_pickled(self):
        for chunksize in 1, 3:
            items = [1, 2, Refuses(), 4]
            results, got = self.pool.imap(square, items, chunksize), []
            for _ in items:
                try:
                    got.append(next(results))
                except RuntimeError as error:
                    got.append(str(error))
            self.assertEqual(got, [1, 4, "this input refuses", 16])
            with self.assertRaisesRegex(RuntimeError, "this input refuses"):
                self.pool.map(square, items, chunksize)
        with self.assertRaisesRegex(RuntimeError, "this input refuses"):
            self.pool.apply(square, (Refuses(),))

    def test_results_that_cannot_be_pickled(self):
        for chunksize in 1, 3:
            with self.assertRaises(multiprocessing.pool.MaybeEncodingError):
                self.pool.map(unpicklable, range(3), chunksize)
            got = self.pool.map(refuses_here, range(3), chunksize, on_error="return")
            self.assertEqual((got[0], got[2]), (0, 2))
            self.assertIsInstance(got[1], multiprocessing.pool.MaybeEncodingError)

    def test_arguments(self):
        for chunksize in 0, -1:
            with self.assertRaises(ValueError):
                self.pool.imap(square, range(3), chunksize)
        for wrong in 0, -1, 1.5, "2":
            with self.assertRaises(ValueError):
                self.pool.imap(square, range(3), buffersize=wrong)
        with self.assertRaises(TypeError):
            self.pool.imap(square, 5)
        with self.assertRaises(TypeError):
            self.pool.apply("square")

    def test_lengths(self):
        results = self.pool.imap(square, range(30))
        self.assertEqual((len(results), results.__length_hint__()), (30, 30))
        next(results)
        self.assertEqual((len(results), results.__length_hint__()), (30, 29))
        self.assertTrue(results)
        self.assertEqual(results.progress()["taken"], 1)
        unknown = self.pool.imap(square, iter(range(3)))
        self.assertRaises(TypeError, len, unknown)
        self.assertEqual(list(unknown), [0, 1, 4])

    def test_a_time_out_of_a_task(self):
        start = time.monotonic()
        got = self.pool.map(sleep, [0, WAIT, 0], timeout=0.2, on_error="return")
        self.assertEqual((got[0], got[2]), (0, 0))
        self.assertIsInstance(got[1], TimeoutError)
        self.assertLess(time.monotonic() - start, WAIT / 2)

    def test_retries(self):
        path = f"/tmp/belt-python-{os.getpid()}-retry"
        try:
            self.assertEqual(list(self.pool.imap(fail_once, [path], retries=1)), [2])
        finally:
            os.unlink(path)

    def test_waiting_for_the_next(self):
        results = self.pool.imap(sleep, [0.3])
        with self.assertRaises(multiprocessing.TimeoutError):
            results.next(timeout=0.01)
        self.assertEqual(results.next(timeout=WAIT), 0.3)


class Laziness(Base):
    def test_exactly_buffersize(self):
        for mode in "imap", "imap_unordered":
            for chunksize in 1, 3, None:
                for size in 1, 2, 7:
                    with self.subTest(mode=mode, chunksize=chunksize, size=size):
                        self.check(mode, chunksize, size)

    def check(self, mode, chunksize, size):
        drawn, taken = 0, 0

        def numbers():
            nonlocal drawn
            for i in range(60):
                drawn += 1
                self.assertLessEqual(drawn - taken, size)
                yield i

        results = getattr(self.pool, mode)(square, numbers(), chunksize, buffersize=size)
        self.assertEqual(drawn, size)
        got = []
        while True:
            taken += 1  # this one is being taken
            try:
                got.append(next(results))
            except StopIteration:
                break
        self.assertEqual(sorted(got), [i * i for i in range(60)])

    def test_without_end(self):
        def numbers():
            i = 0
            while True:
                yield i
                i += 1

        results = self.pool.imap(square, numbers())
        self.assertEqual([next(results) for _ in range(1000)], [i * i for i in range(1000)])

    def test_leaving_a_loop_cancels(self):
        for value in self.pool.imap(sleep, [0.01] + [WAIT] * 10):
            break
        start = time.monotonic()
        self.assertEqual(self.pool.map(square, range(10)), [i * i for i in range(10)])
        self.assertLess(time.monotonic() - start, WAIT / 2)


class Slots(unittest.TestCase):
    def test_initializer(self):
        with Pool(2, set_value, (42,)) as pool:
            self.assertEqual(set(pool.map(setting, range(10), 1)), {42})

    def test_an_initializer_that_fails_breaks_the_pool(self):
        with Pool(1, fail) as pool:
            for _ in range(2):
                with self.assertRaisesRegex(belt.InitializerFailed, "no licence") as caught:
                    pool.apply(square, (1,))
                self.assertIn("no licence", str(caught.exception.__cause__))

    def test_a_slot_that_cannot_start_says_why(self):
        with unittest.mock.patch("belt.slot.Slot._become_process", unstartable), Pool(1) as pool:
            with self.assertRaisesRegex(RuntimeError, "no descriptors"):
                pool.apply(square, (3,))

    def test_a_slot_is_replaced_after_its_tasks(self):
        with Pool(1, maxtasksperchild=2) as pool:
            pids = pool.map(pid, range(6), chunksize=1)
        self.assertEqual([pids.count(each) for each in dict.fromkeys(pids)], [2, 2, 2])

    def test_a_death_is_survived(self):
        path = f"/tmp/belt-python-{os.getpid()}-death"
        try:
            with Pool(1) as pool:
                self.assertEqual(pool.apply(die_once, (path,)), 2)
        finally:
            os.unlink(path)

    def test_who_dies_each_time_is_lost_and_nobody_else(self):
        with Pool(2) as pool:
            for chunksize in 1, 5:
                with self.subTest(chunksize=chunksize):
                    results, got = pool.imap(die, range(6), chunksize), []
                    for _ in range(6):
                        try:
                            got.append(next(results))
                        except belt.WorkerLost:
                            got.append("lost")
                    self.assertEqual(got, [0, 1, 2, "lost", 4, 5])
                    got = pool.map(die, range(6), chunksize, on_error="return")
                    self.assertIsInstance(got.pop(3), belt.WorkerLost)
                    self.assertEqual(got, [0, 1, 2, 4, 5])

    def test_wrong_arguments(self):
        for wrong in 0, -1:
            self.assertRaises(ValueError, Pool, wrong)
            self.assertRaises(ValueError, Pool, 1, maxtasksperchild=wrong)
        self.assertRaises(TypeError, Pool, 1, "no function")
        self.assertRaises(ValueError, Pool, 1, queue="q")
        self.assertRaises(ValueError, Pool, broker="tcp://192.0.2.1:7878")

    def test_a_task_opens_a_pool(self):
        with Pool(2) as pool:
            self.assertEqual(pool.map(squares_of_a_pool, [3, 4], 1), [[0, 1, 4], [0, 1, 4, 9]])

    def test_slots_are_processes_of_their_own(self):
        with Pool(2) as pool:
            pids = set(pool.map(pid, range(50), chunksize=1))
        self.assertNotIn(os.getpid(), pids)
        self.assertLessEqual(len(pids), 2)


class StartMethods(unittest.TestCase):
    def test_clean_interpreters_host_the_slots(self):
        for method in "spawn", "forkserver":
            with self.subTest(method=method):
                context = multiprocessing.get_context(method)
                with Pool(2, set_value, (7,), context=context) as pool:
                    self.assertEqual(list(pool.imap(square, range(100))), [i * i for i in range(100)])
                    self.assertEqual(pool.map(setting, range(4), 1), [7] * 4)
                    got = pool.map(die, range(4), 1, on_error="return")
                    self.assertIsInstance(got[3], belt.WorkerLost)

    def test_the_end_of_such_an_interpreter_is_told(self):
        with Pool(1, context=multiprocessing.get_context("spawn")) as pool:
            self.assertEqual(pool.apply(square, (3,)), 9)
            result = pool.apply_async(sleep, (WAIT,))
            for child in multiprocessing.active_children():
                if child.name == "BeltHost":
                    child.kill()
            with self.assertRaises(belt.BrokerLost):
                result.get(WAIT)
            with self.assertRaises(belt.BrokerLost):
                pool.apply(square, (3,))


class Ends(unittest.TestCase):
    def test_close_and_join(self):
        pool = Pool(2)
        results = [pool.apply_async(square, (i,)) for i in range(100)]
        stream = pool.imap(square, range(50), buffersize=3)
        self.assertRaises(ValueError, pool.join)
        pool.close()
        self.assertRaises(ValueError, pool.apply, square, (1,))
        pool.join()
        self.assertEqual([result.get(0) for result in results], [i * i for i in range(100)])
        self.assertEqual(list(stream), [i * i for i in range(50)])

    def test_terminate_ends_what_waits(self):
        pool = Pool(2)
        result = pool.map_async(sleep, [WAIT] * 10, chunksize=1)
        stream = pool.imap(sleep, [WAIT] * 10)
        start = time.monotonic()
        threading.Timer(0.2, pool.terminate).start()
        with self.assertRaises(belt.PoolTerminated):
            next(stream)
        with self.assertRaises(belt.PoolTerminated):
            result.get(WAIT)
        pool.join()
        self.assertLess(time.monotonic() - start, WAIT / 2)

    def test_as_a_context(self):
        with Pool(1) as pool:
            self.assertEqual(pool.apply(square, (2,)), 4)
        self.assertRaises(ValueError, pool.map_async, square, [1])
        with self.assertRaises(ValueError):
            with pool:
                pass
        pool.join()

    def test_nothing_is_left(self):
        before = children()
        with Pool(2) as pool:
            pool.map(square, range(10))
            self.assertGreater(len(children()), len(before))
        for _ in range(100):
            if children() == before:
                break
            time.sleep(0.05)
        self.assertEqual(children(), before)

    def test_a_pool_that_was_not_closed_says_so(self):
        pool = Pool(1)
        pool.apply(square, (1,))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del pool
            gc.collect()
        self.assertEqual([each.category for each in caught], [ResourceWarning])

    def test_a_forked_process_has_no_part_in_it(self):
        with Pool(1) as pool:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    pool.apply(square, (2,))
                except ValueError:
                    pool.terminate()
                    pool.join()
                    # Not the default of the newer Pythons: multiprocessing cannot use its fork server from a process
                    # that was forked from the one that has started it.
                    with Pool(1, context=multiprocessing.get_context("spawn")) as own:
                        status = own.apply(square, (5,))
                finally:
                    os._exit(status)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 25)
            self.assertEqual(pool.apply(square, (2,)), 4)

    def test_pickle(self):
        import pickle

        with Pool(1) as pool:
            self.assertRaises(NotImplementedError, pickle.dumps, pool)


class Programs(unittest.TestCase):
    """Whole programs, as users run them."""

    def run_program(self, text, code=0, **more):
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=WAIT, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def test_output_reaches_the_program_s(self):
        done = self.run_program(
            "import sys\nfrom belt import Pool\n"
            "def say(x):\n    print('out', x)\n    print('err', x, file=sys.stderr)\n"
            "with Pool(1) as pool: pool.map(say, range(3), 1)\n"
        )
        self.assertEqual(done.stdout, "out 0\nout 1\nout 2\n")
        self.assertEqual(done.stderr, "err 0\nerr 1\nerr 2\n")

    def test_a_program_that_forgets_its_pool_ends(self):
        done = self.run_program("from belt import Pool\npool = Pool(1)\nprint(pool.map(abs, [-1, 2]))\n")
        self.assertEqual(done.stdout, "[1, 2]\n")

    def test_ctrl_c(self):
        program = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import time\nfrom belt import Pool\n"
                "with Pool(2) as pool:\n    print('ready', flush=True)\n"
                "    for value in pool.imap(time.sleep, [60] * 9): pass\n",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with program:
            self.assertEqual(program.stdout.readline(), "ready\n")
            time.sleep(0.2)
            os.kill(program.pid, signal.SIGINT)
            out, err = program.communicate(timeout=WAIT)
        self.assertEqual(program.returncode, -signal.SIGINT)
        self.assertEqual(err.count("Traceback"), 1, err)
        self.assertTrue(err.endswith("KeyboardInterrupt\n"), err)

    def test_functions_of_the_program_and_of_a_cell(self):
        done = self.run_program(
            "from belt import Pool\n"
            "def f(x): return x + 1\n"
            "pool = Pool(1)\n"
            "print(pool.map(f, [1]))\n"
            "def f(x): return x + 2\n"
            "print(pool.map(f, [1]), pool.map(lambda x: x + 3, [1]))\n"
            "def g(x): return f(x) + 10\n"
            "print(list(pool.imap(g, [1])))\n"
            "pool.terminate()\n"
        )
        self.assertEqual(done.stdout, "[2]\n[3] [4]\n[13]\n")

    def test_without_cloudpickle_an_error_says_so(self):
        done = self.run_program(
            "import sys\nsys.modules['cloudpickle'] = None\n"
            "from belt import Pool\n"
            "with Pool(1) as pool:\n"
            "    try: pool.map(lambda x: x, [1])\n"
            "    except Exception as error: print(type(error).__name__, 'cloudpickle' in str(error))\n"
        )
        self.assertEqual(done.stdout, "PicklingError True\n")


if __name__ == "__main__":
    unittest.main()
