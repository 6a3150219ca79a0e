# SPDX-License-Identifier: Apache-2.0
"""async for, and joblib's backend."""

import asyncio
import unittest

from belt import Pool

try:
    import joblib

    import belt.joblib  # noqa: F401
except ImportError:
    joblib = None

WAIT = 60


def square(x):
    return x * x


def five_fails(x):
    if x == 5:
        raise ValueError("five")
    return x


async def numbers(count, drawn=None):
    for i in range(count):
        await asyncio.sleep(0)
        if drawn is not None:
            drawn.append(i)
        yield i


class Async(unittest.TestCase):
    def run_with_pool(self, program):
        async def main():
            with Pool(2) as pool:
                await asyncio.wait_for(program(pool), WAIT)

        asyncio.run(main())

    def test_items(self):
        async def program(pool):
            for items in (lambda: range(50)), (lambda: numbers(50)):
                self.assertEqual([x async for x in pool.aimap(square, items())], [i * i for i in range(50)])
                got = [x async for x in pool.aimap_unordered(square, items(), buffersize=3)]
                self.assertEqual(sorted(got), [i * i for i in range(50)])

        self.run_with_pool(program)

    def test_errors(self):
        async def program(pool):
            for items in (lambda: range(10)), (lambda: numbers(10)):
                got = []
                with self.assertRaisesRegex(ValueError, "five"):
                    async for x in pool.aimap(five_fails, items()):
                        got.append(x)
                self.assertEqual(got, list(range(5)))
                got = [x async for x in pool.aimap(five_fails, items(), on_error="return")]
                self.assertEqual([repr(x) for x in got[4:7]], ["4", "ValueError('five')", "6"])

        self.run_with_pool(program)

    def test_the_window(self):
        async def program(pool):
            drawn, taken = [], 0
            async for _ in pool.aimap(square, numbers(30, drawn), buffersize=4):
                taken += 1
                self.assertLessEqual(len(drawn), taken + 4)

        self.run_with_pool(program)

    def test_other_tasks_go_on_meanwhile(self):
        async def program(pool):
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticker = asyncio.ensure_future(tick())
            async for _ in pool.aimap(asyncio_sleep, [0.3, 0.3]):
                pass
            ticker.cancel()
            self.assertGreater(ticks, 1)

        self.run_with_pool(program)


def asyncio_sleep(seconds):
    import time

    time.sleep(seconds)


@unittest.skipUnless(joblib, "joblib is not there")
class Joblib(unittest.TestCase):
    def test_parallel(self):
        got = joblib.Parallel(n_jobs=2, backend="belt")(joblib.delayed(square)(i) for i in range(200))
        self.assertEqual(got, [i * i for i in range(200)])
        with joblib.Parallel(n_jobs=2, backend="belt") as parallel:
            for _ in range(3):
                self.assertEqual(parallel(joblib.delayed(lambda x: x + 1)(i) for i in range(20)), list(range(1, 21)))

    def test_an_error(self):
        with self.assertRaisesRegex(ValueError, "five"):
            joblib.Parallel(n_jobs=2, backend="belt")(joblib.delayed(five_fails)(i) for i in range(20))
        with joblib.Parallel(n_jobs=2, backend="belt") as parallel:
            with self.assertRaises(ValueError):
                parallel(joblib.delayed(five_fails)(i) for i in range(20))
            self.assertEqual(parallel(joblib.delayed(square)(i) for i in range(3)), [0, 1, 4])

    @unittest.skipUnless(joblib and joblib.__version__ >= "1.3", "generators are of joblib 1.3 and later")
    def test_generators(self):
        got = joblib.Parallel(n_jobs=2, backend="belt", return_as="generator")(
            joblib.delayed(square)(i) for i in range(100)
        )
        self.assertEqual(list(got), [i * i for i in range(100)])


if __name__ == "__main__":
    unittest.main()
