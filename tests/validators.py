"""Tools that judge the objects we write."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing_tool


def dciodvfy_errors(file: Path) -> list[str]:
    """Return what dciodvfy calls an error; its exit status does not tell."""
    if shutil.which("dciodvfy") is None:
        missing_tool("dciodvfy is not installed (Debian: dicom3tools)")
    ran = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True,
                         check=False, timeout=60)  # fmt: skip
    return [line for line in ran.stderr.splitlines() if line.startswith("Error")]
