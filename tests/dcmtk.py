"""dcmtk's programs: pynetdicom installs some of the same names in each virtual environment."""

import os
import shutil
from pathlib import Path

from tests.conftest import missing_tool


def dcmtk(name: str) -> str:
    """Return the path of one of dcmtk's programs; fails in CI, skips elsewhere, if missing."""
    folders = os.environ["PATH"].split(os.pathsep)
    others = [f for f in folders if not (Path(f) / ".." / "pyvenv.cfg").exists()]
    found = shutil.which(name, path=os.pathsep.join(others))
    return found or missing_tool(f"dcmtk's {name} is not installed")
