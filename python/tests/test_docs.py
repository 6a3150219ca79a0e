# SPDX-License-Identifier: Apache-2.0
"""The examples of the documentation run."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


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
