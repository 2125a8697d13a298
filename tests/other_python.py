"""The system's own Python, where it has PyTorch: Debian's `python3-torch`."""

import shutil
import subprocess

import pytest

PYTHON = shutil.which("python3", path="/usr/bin")
_CODE = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"

HAS_TORCH = PYTHON is not None and subprocess.run([PYTHON, "-c", _CODE], capture_output=True).returncode == 0

needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="the system's Python has no PyTorch (python3-torch)")
