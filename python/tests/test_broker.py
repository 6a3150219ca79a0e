# SPDX-License-Identifier: Apache-2.0
"""Pools on a broker, with workers in Python; and jobs that outlive a program."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

import belt
from belt import Pool
from belt.address import check_address, endpoint, find_access

WAIT = 60
BELT = os.environ.get("BELT_PROGRAM") or shutil.which("belt")
HERE = os.path.dirname(os.path.abspath(__file__))


def square(x):
    return x * x


def where(_):
    import broker_functions

    return broker_functions.value()


class Addresses(unittest.TestCase):
    def test_what_may_be_left_out(self):
        for short, whole in (
            ("host", "tcp://host:7878"),
            ("host:1", "tcp://host:1"),
            ("::1", "tcp://[::1]:7878"),
            ("[::1]", "tcp://[::1]:7878"),
            ("[::1]:2", "tcp://[::1]:2"),
            ("ipc:///run/belt", "ipc:///run/belt"),
        ):
            self.assertEqual(endpoint(short, 7878), whole)

    def test_only_this_machine_is_trusted(self):
        before = os.environ.get("BELT_ACCESS")
        os.environ["BELT_ACCESS"] = "none"  # also where this user has keys
        self.addCleanup(lambda: os.environ.__setitem__("BELT_ACCESS", before) if before else os.environ.pop("BELT_ACCESS"))
        for address in "127.0.0.1", "127.3.4.5:80", "localhost", "::1", "[::1]:1", "tcp://127.0.0.1:1", "ipc:///run/belt":
            check_address(endpoint(address, 7878), False)
        for address in "host", "10.0.0.1:1", "tcp://*:1", "[::]:1", "localhost.example", "TCP://10.0.0.1:1", "ws://host:1":
            for kind in Pool, belt.ProcessPoolExecutor:
                with self.assertRaises(ValueError, msg=address):
                    kind(broker=address)
        check_address("tcp://10.0.0.1:1", True)
        check_address("tcp://10.0.0.1:1", False, "keys")
        with self.assertRaises(ValueError):
            check_address("ws://10.0.0.1:1", False, "keys")
        with self.assertRaises(ValueError):
            Pool(1, access="keys")
        self.assertIsNone(find_access())
        self.assertIsNone(find_access("none"))
        self.assertEqual(find_access("keys"), "keys")
        os.environ["BELT_ACCESS"] = "others"
        self.assertEqual(find_access(), "others")


def free_ports(count):
    """Below those that the kernel gives to connections."""
    held = []
    for port in random.sample(range(15000, 30000), 1000):
        held.append(socket.socket())
        try:
            held[-1].bind(("127.0.0.1", port))
        except OSError:
            held.pop().close()
        if len(held) == count:
            break
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@unittest.skipUnless(BELT, "the program belt is not there")
class WithKeys(unittest.TestCase):
    """A broker on TCP that has keys, a worker that joins it, and a program with a key of its own."""

    def test_a_program_with_a_key(self):
        home = tempfile.mkdtemp(prefix="belt-python-keys-")
        self.addCleanup(shutil.rmtree, home)
        env = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": f"{home}/admin", "BELT_CONFIG": "/dev/null"}
        env.pop("BELT_ACCESS", None)
        ports = free_ports(2)

        def keys(*words):
            done = subprocess.run([BELT, "keys", *words], env=env, stdout=subprocess.PIPE, text=True, timeout=WAIT)
            self.assertEqual(done.returncode, 0)
            return done.stdout

        keys("init", "--address", "127.0.0.1:{},{}".format(*ports))
        with open(os.open(f"{home}/ann.access", os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(keys("new", "ann", "--role", "client"))
        clients, workers = (f"tcp://127.0.0.1:{port}" for port in ports)
        broker = subprocess.Popen([BELT, "broker", "-q", "--clients", clients, "--workers", workers], env=env)
        self.addCleanup(broker.wait, WAIT)
        self.addCleanup(broker.terminate)
        token = keys("token").strip()
        node = {**env, "XDG_CONFIG_HOME": f"{home}/node"}
        command = [BELT, "worker", "--python", "--join", token, "--slots", "1", "--broker", workers]
        worker = subprocess.Popen(command, env=node)
        self.addCleanup(worker.wait, WAIT)
        self.addCleanup(worker.terminate)
        with Pool(broker=clients, access=f"{home}/ann.access") as pool:
            self.assertEqual(pool.map(square, range(5)), [0, 1, 4, 9, 16])
        with belt.ProcessPoolExecutor(broker=clients, access=f"{home}/ann.access") as pool:
            self.assertEqual(pool.submit(square, 7).result(WAIT), 49)


@unittest.skipUnless(BELT, "the program belt is not there")
class OnABroker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="belt-python-")
        cls.clients, cls.workers = (f"ipc://{cls.directory}/{name}" for name in ("clients", "workers"))
        with open(f"{cls.directory}/broker_functions.py", "w") as file:
            file.write("def value():\n    return 'of the worker'\n\ndef half(x):\n    return x / 2\n")
        cls.programs = []
        cls.start_broker()
        cls.start_worker("--preload", "broker_functions")

    @classmethod
    def start_broker(cls):
        options = "--clients", cls.clients, "--workers", cls.workers, "--state", f"{cls.directory}/state", "--quiet"
        ready = os.pipe()
        program = subprocess.Popen([BELT, "broker", *options, "--ready-fd", str(ready[1])], pass_fds=ready[1:])
        cls.programs.append(program)
        os.close(ready[1])
        with open(ready[0]) as file:
            file.readline()

    @classmethod
    def start_worker(cls, *options):
        command = [sys.executable, "-m", "belt", "worker", "--broker", cls.workers, "--slots", "2"]
        cls.programs.append(subprocess.Popen([*command, "--path", cls.directory, *options]))

    @classmethod
    def tearDownClass(cls):
        for program in reversed(cls.programs):
            program.terminate()
        for program in cls.programs:
            program.wait(WAIT)
        shutil.rmtree(cls.directory)

    def test_functions_of_this_program_and_of_the_worker(self):
        with Pool(broker=self.clients) as pool:
            self.assertEqual(pool.apply(square, (7,)), 49)
            self.assertEqual(list(pool.imap(square, range(300))), [i * i for i in range(300)])
            self.assertEqual(pool.map(where, [0]), ["of the worker"])
            with self.assertRaises(ZeroDivisionError):
                pool.apply(divmod, (1, 0))

    def test_an_executor(self):
        with belt.ProcessPoolExecutor(broker=self.clients) as pool:
            self.assertEqual(pool.submit(square, 7).result(WAIT), 49)

    def test_queues_are_apart(self):
        with Pool(broker=self.clients, queue="other") as pool:
            result = pool.apply_async(square, (3,))
            with self.assertRaises(TimeoutError):
                result.get(0.3)
            self.start_worker("--queue", "other")
            self.assertEqual(result.get(WAIT), 9)

    def test_a_job_that_is_read_later(self):
        with Pool(broker=self.clients) as pool:
            job = pool.submit(square, range(20))
        with Pool(broker=self.clients) as pool:
            got = []
            for value in pool.results(job, "me"):
                got.append(value)
                if len(got) == 5:
                    break  # its body did not end: the fifth comes again
            for value in pool.results(job, "me"):
                got.append(value)
            self.assertEqual(got[:5] + got[6:], [i * i for i in range(20)])
            self.assertEqual(got[4], got[5])
            with self.assertRaises(LookupError):
                list(pool.results(2**60, "me"))

    def test_a_job_whose_input_fails_is_no_job(self):
        def numbers():
            yield 1
            raise KeyError("input")

        with Pool(broker=self.clients) as pool:
            with self.assertRaisesRegex(KeyError, "input"):
                pool.submit(square, numbers())

    def test_with_a_key_a_program_goes_on_where_it_was_killed(self):
        program = (
            "import os, sys, time\nfrom operator import neg\nfrom belt import Pool\n"
            "with Pool(broker=sys.argv[1]) as pool:\n"
            "    for value in pool.imap(neg, range(30), key='night'):\n"
            "        if -value == int(sys.argv[2]): os.kill(os.getpid(), 9)\n"
            "        print(value, flush=True)\n"
            "        time.sleep(0.05)\n"
        )

        def run(last):
            done = subprocess.run(
                [sys.executable, "-c", program, self.clients, str(last)], capture_output=True, text=True, timeout=WAIT
            )
            self.assertEqual(done.returncode, 0 if last < 0 else -signal.SIGKILL, done.stderr)
            return [int(line) for line in done.stdout.split()]

        first, second, third = run(7), run(20), run(-1)
        self.assertEqual(first, [-i for i in range(7)])
        # What was printed in the last moment before the kill may come again; nothing is left out.
        for run_before, run_after in (first, second), (second, third):
            self.assertEqual(run_after, list(range(run_after[0], run_after[-1] - 1, -1)))
            self.assertLess(run_after[0], run_before[0])
            self.assertGreaterEqual(run_after[0], run_before[-1] - 1)
        self.assertEqual(third[-1], -29)
        self.assertEqual(run(-1), [])

    def test_a_worker_that_cannot_start_says_why(self):
        for options, words in (
            (["--preload", "no_such_module"], "no_such_module"),
            (["--broker", "192.0.2.1"], "on a network"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "belt", "worker", "--broker", self.workers, *options],
                capture_output=True,
                text=True,
                timeout=WAIT,
            )
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_the_program_belt_becomes_a_worker(self):
        command = [BELT, "worker", "--python", "--broker", self.workers, "--slots", "1", "--path", self.directory]
        options = ["--queue", "own", "--preload", "broker_functions", "--drain", "0.5"]
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as worker:
            self.assertIn("connected", worker.stderr.readline())
            with Pool(broker=self.clients, queue="own") as pool:
                self.assertEqual(pool.map(where, [0]), ["of the worker"])
            worker.terminate()
            worker.stderr.read()
            self.assertEqual(worker.wait(WAIT), 0)

    def test_what_the_program_belt_refuses(self):
        def run(*options, **variables):
            command = [BELT, "worker", "--broker", self.workers, *options]
            done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=WAIT)
            self.assertEqual(done.stdout, "")
            return done.returncode, done.stderr

        code, said = run("--python", PYTHONPATH="")
        self.assertEqual(code, 2)
        self.assertIn("python3-belt", said)
        code, said = run("--python", PATH="/nowhere")
        self.assertEqual(code, 6)
        self.assertIn("cannot start python3", said)
        for options in ("--path", "."), ("--python", "--command", "true"):
            self.assertEqual(run(*options)[0], 2)

    def test_a_worker_ends_at_once(self):
        command = [sys.executable, "-m", "belt", "worker", "--broker", self.workers, "--slots", "1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as worker:
            self.assertIn("connected", worker.stderr.readline())
            worker.terminate()
            worker.stderr.read()
            self.assertEqual(worker.wait(WAIT), 0)


if __name__ == "__main__":
    unittest.main()
