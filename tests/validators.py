"""Tools that judge the objects we write."""

import shutil
import subprocess
import sys
from pathlib import Path

from dicom_node import settings
from tests.conftest import missing_tool


def dciodvfy_errors(file: Path) -> list[str]:
    """Return what dciodvfy calls an error; fails where it died before it had read all."""
    if shutil.which("dciodvfy") is None:
        missing_tool("dciodvfy is not installed (Debian: dicom3tools)")
    ran = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, encoding="utf-8",
                         check=False, timeout=60)  # fmt: skip
    errors = [line for line in ran.stderr.splitlines() if line.startswith("Error")]
    assert ran.returncode == bool(errors), ran.stderr[-2000:]
    return errors


def validate_sr(file: Path) -> None:
    """Put a report before all four validators; a complaint of any fails the test."""
    script = settings.load().data.parent / "tools" / "validate-sr"
    if not script.is_file():
        missing_tool(f"no validate-sr at {script}; set NODE_DATA")
    command = ["/usr/bin/env", f"PYTHON={sys.executable}", str(script), str(file)]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
