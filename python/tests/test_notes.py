# SPDX-License-Identifier: Apache-2.0
"""What tasks log and print, and where it arrives."""

import logging
import logging.handlers
import multiprocessing
import queue
import sys
import unittest

import belt
from belt import Pool

WAIT = 60
logger = logging.getLogger("belt.tests.notes")


def logs(x):
    logger.warning("item %d", x, extra={"lock": object()})  # which cannot be pickled
    logger.debug("not wanted")
    return x


def logs_and_fails(x):
    try:
        raise KeyError(x)
    except KeyError:
        logger.exception("caught")
    raise ValueError("five")


def logs_much(count):
    for i in range(count):
        logger.warning("line %d", i)


def prints(x):
    print("out", x)
    sys.stderr.write("err")
    return x


def log_and_fail():
    logger.warning("it begins")
    raise OSError("no licence")


class Notes(unittest.TestCase):
    """The handlers are those of this process, which no slot can reach."""

    def setUp(self):
        self.records = queue.SimpleQueue()
        self.handler = logging.handlers.QueueHandler(self.records)
        logging.getLogger().addHandler(self.handler)
        self.addCleanup(logging.getLogger().removeHandler, self.handler)

    def texts(self):
        found = []
        while not self.records.empty():
            record = self.records.get()
            found.append((record.name, record.levelname, record.getMessage()))
        return found

    def test_records_reach_the_handlers_of_the_program(self):
        for method in "fork", "spawn":
            with Pool(2, context=multiprocessing.get_context(method)) as pool:
                wanted = sorted((logger.name, "WARNING", f"item {i}") for i in range(20))
                for call in pool.map, pool.imap, pool.imap_unordered:
                    self.assertEqual(sorted(call(logs, range(20))), list(range(20)))
                    self.assertEqual(sorted(self.texts()), wanted)
                self.assertEqual(pool.apply(logs, (3,)), 3)
                self.assertEqual(self.texts(), [(logger.name, "WARNING", "item 3")])

    def test_of_an_executor(self):
        with belt.ProcessPoolExecutor(2) as pool:
            self.assertEqual(list(pool.map(logs, range(6), chunksize=3)), list(range(6)))
            self.assertEqual(len(self.texts()), 6)

    def test_of_a_task_that_fails(self):
        with Pool(1) as pool:
            for call in (lambda: pool.apply(logs_and_fails, (1,))), (lambda: list(pool.imap(logs_and_fails, [1]))):
                with self.assertRaisesRegex(ValueError, "five"):
                    call()
                ((name, level, text),) = self.texts()
                self.assertEqual((name, level), (logger.name, "ERROR"))
                self.assertIn("KeyError: 1", text)

    def test_of_an_initializer(self):
        with Pool(1, initializer=log_and_fail) as pool:
            with self.assertRaises(belt.InitializerFailed):
                pool.apply(abs, (1,))
            self.assertEqual(self.texts(), [(logger.name, "WARNING", "it begins")])

    def test_they_are_bounded(self):
        with Pool(1) as pool:
            pool.apply(logs_much, (3000,))
            found = self.texts()
            self.assertEqual(len(found), 1001)
            self.assertIn("2000 more", found[-1][2])

    def test_the_program_s_level_counts(self):
        logger.setLevel(logging.ERROR)
        self.addCleanup(logger.setLevel, logging.NOTSET)
        with Pool(1, context=multiprocessing.get_context("spawn")) as pool:
            self.assertEqual(pool.apply(logs, (3,)), 3)
        self.assertEqual(self.texts(), [])

    def test_what_is_printed_is_logged(self):
        logging.getLogger("belt.output").setLevel(logging.INFO)
        with Pool(1, output="log") as pool, belt.ProcessPoolExecutor(1, output="log") as executor:
            for call in pool.map, pool.imap, executor.map:
                self.assertEqual(list(call(prints, [7])), [7])
                self.assertEqual(self.texts(), [("belt.output", "INFO", "out 7"), ("belt.output", "WARNING", "err")])
            self.assertEqual(executor.submit(prints, 8).result(WAIT), 8)
            self.assertEqual(len(self.texts()), 2)

    def test_wrong_output(self):
        with self.assertRaisesRegex(ValueError, "output"):
            Pool(1, output="file")


if __name__ == "__main__":
    unittest.main()
