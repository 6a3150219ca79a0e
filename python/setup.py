# SPDX-License-Identifier: Apache-2.0
"""The extension: one binary for Python 3.9 and later. libbelt is found by pkg-config (PKG_CONFIG_PATH)."""

import os
import shlex
import subprocess
import sys
from glob import glob

from setuptools import Extension, setup

try:
    from wheel.bdist_wheel import bdist_wheel
except ImportError:  # setuptools 70 and later has its own
    from setuptools.command.bdist_wheel import bdist_wheel


def pkg_config(*arguments):
    try:
        words = subprocess.run(["pkg-config", *arguments, "belt"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or error
        sys.exit(
            f"libbelt was not found by pkg-config: {said}\n"
            "Install Belt (cmake --install), or name the directory of its belt.pc in PKG_CONFIG_PATH."
        )
    return shlex.split(words)


def directories(words, option):
    return [os.path.normpath(word[2:]) for word in words if word.startswith(option)]


class Wheel(bdist_wheel):
    def finalize_options(self):
        super().finalize_options()
        self.py_limited_api = "cp39"


libraries = pkg_config("--libs")
# The loader finds a libbelt of another prefix by the extension's own word.
library_dirs = directories(pkg_config("--libs-only-L", "--keep-system-libs"), "-L")
setup(
    cmdclass={"bdist_wheel": Wheel},
    ext_modules=[
        Extension(
            "_belt",
            sources=sorted(glob("src/_belt/*.c")),
            depends=glob("src/_belt/*.h"),
            include_dirs=directories(pkg_config("--cflags"), "-I"),
            library_dirs=library_dirs,
            runtime_library_dirs=[at for at in library_dirs if at not in ("/usr/lib", "/lib")],
            libraries=["belt"],
            define_macros=[("_GNU_SOURCE", None), ("Py_LIMITED_API", "0x03090000")],
            extra_compile_args=["-std=c11", "-fvisibility=hidden"],
            py_limited_api=True,
        )
    ],
)
