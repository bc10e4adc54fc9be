"""What the commands print: results on standard output, progress on standard error."""

import json
import sys
from typing import Final

from rich.console import Console

_LOG_WIDTH = 180
"""Where nobody looks at a terminal, lines stay whole."""

out: Final = Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH)
err: Final = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print a value as JSON, for another program."""
    out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
