# SPDX-License-Identifier: Apache-2.0
"""The type hints fit what there is, and programs that use them pass mypy."""

import concurrent.futures
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
HAS_MYPY = subprocess.run([sys.executable, "-m", "mypy", "--version"], capture_output=True).returncode == 0


@unittest.skipUnless(HAS_MYPY, "mypy is not there")
class Types(unittest.TestCase):
    def run_quietly(self, *command):
        environment = {**os.environ, "MYPYPATH": os.path.join(os.path.dirname(HERE), "src")}
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_typed_program(self):
        self.run_quietly("mypy", "--strict", "--cache-dir", os.devnull, os.path.join(HERE, "typed.py"))

    def test_what_a_program_may_not_do(self):
        wrong = "import belt\nbelt.Pool(2).map(len, 5)\nbelt.Pool(output='file')\n"
        environment = {**os.environ, "MYPYPATH": os.path.join(os.path.dirname(HERE), "src")}
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "-c", wrong],
            capture_output=True,
            text=True,
            env=environment,
        )
        self.assertIn("Found 2 errors", done.stdout)

    def test_the_hints_fit(self):
        """Names and arguments of the public interface are those of the hints."""
        import inspect
        import ast

        import belt

        with open(os.path.join(os.path.dirname(HERE), "src", "belt", "__init__.pyi"), encoding="utf-8") as file:
            classes = {node.name: node for node in ast.parse(file.read()).body if isinstance(node, ast.ClassDef)}
        for name in "Pool", "ProcessPoolExecutor", "AsyncResult":
            hinted = {node.name: node for node in classes[name].body if isinstance(node, ast.FunctionDef)}
            for method, node in hinted.items():
                value = inspect.getattr_static(getattr(belt, name), method)
                if isinstance(value, property):
                    continue
                known = inspect.signature(value).parameters
                takes_more = any(each.kind is each.VAR_KEYWORD or each.name == "error" for each in known.values())
                told = [arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)]
                unknown = [arg for arg in told if arg not in known]
                self.assertTrue(takes_more or not unknown, f"{name}.{method}: {unknown}")
                named = {each.name for each in known.values() if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
                self.assertLessEqual(named, set(told), f"{name}.{method}")
            public = {method for method in vars(getattr(belt, name)) if not method.startswith("_")}
            inherited = set(vars(concurrent.futures.Executor)) if name.endswith("Executor") else set()
            self.assertLessEqual(public, set(hinted) | inherited, name)


if __name__ == "__main__":
    unittest.main()
