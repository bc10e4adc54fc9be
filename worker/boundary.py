"""What an outer boundary may say of an error that nobody foresaw."""

import traceback
from pathlib import Path


def where(exc: Exception) -> str:
    """Return the error's class and its place in the code; never its text, which may hold data."""
    frame = traceback.extract_tb(exc.__traceback__)[-1]
    return f"{type(exc).__name__} at {Path(frame.filename).name}:{frame.lineno}"
