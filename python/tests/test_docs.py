# SPDX-License-Identifier: Apache-2.0
"""The examples of the documentation run."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


AROUND = """
from belt import Pool

def analyze(match):
    return match * match

matches = range(5)
store = print

if __name__ == "__main__":
    pool = Pool(2)
{body}
    pool.terminate()
"""


def run(*command):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=100)


class Examples(unittest.TestCase):
    def test_the_first_example(self):
        with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as file:
            text = re.search(r"```python\n(.*?)```", file.read(), re.DOTALL).group(1)
        for line in ("from belt import Pool", "from multiprocessing import Pool"):
            with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
                program.write(text.replace("from belt import Pool", line, 1))
                program.flush()
                done = run(program.name)
            self.assertEqual(done.stdout, "".join(f"({i}, {i * i})\n" for i in range(5)), done.stderr)

    def test_every_example(self):
        """With the names that an example leaves to its reader."""
        for name, count in ("README.md", 1), ("docs/python.md", 3):
            with open(os.path.join(ROOT, name), encoding="utf-8") as file:
                examples = [text for text in re.findall(r"```python\n(.*?)```", file.read(), re.DOTALL) if "ool" in text]
            self.assertEqual(len(examples), count, name)
            for example in examples:
                body = "".join(f"    {line}\n" for line in example.splitlines())
                with tempfile.NamedTemporaryFile("w", suffix=".py") as program:
                    program.write(AROUND.format(body=body))
                    program.flush()
                    done = run(program.name)
                self.assertEqual(done.returncode, 0, f"{name}:\n{example}\n{done.stderr}")
                self.assertTrue(done.stdout + done.stderr, example)

    def test_chess(self):
        path = os.path.join(ROOT, "examples", "python", "chess.py")
        done = run(path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 24)
        with open(path, encoding="utf-8") as file, tempfile.NamedTemporaryFile("w", suffix=".py") as program:
            program.write(file.read().replace("from belt import Pool", "from multiprocessing import Pool", 1))
            program.flush()
            other = run(program.name, os.path.join(ROOT, "examples", "chess", "games.pgn"))
        self.assertEqual(done.stdout, other.stdout, other.stderr)

    def test_the_command(self):
        done = run("-m", "belt", "worker", "--help")
        self.assertEqual(done.returncode, 0)
        for option in "--broker", "--slots", "--preload", "--path", "--queue":
            self.assertIn(option, done.stdout)


if __name__ == "__main__":
    unittest.main()
