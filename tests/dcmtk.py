"""dcmtk's programs: pynetdicom installs some of the same names beside the interpreter."""

import os
import shutil
import sys
from pathlib import Path

from tests.conftest import missing_tool


def dcmtk(name: str) -> str:
    """Return the path of one of dcmtk's programs; fails in CI, skips elsewhere, if missing."""
    beside = Path(sys.executable).parent
    folders = [f for f in os.environ["PATH"].split(os.pathsep) if Path(f) != beside]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return found or missing_tool(f"dcmtk's {name} is not installed")
