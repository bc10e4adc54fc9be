"""What the commands print: results on standard output, progress on standard error."""

import json
from typing import Final

from rich.console import Console

out: Final = Console(highlight=False)
err: Final = Console(stderr=True, highlight=False)


def print_json(value: object) -> None:
    """Print a value as JSON, for another program."""
    out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
