from collections.abc import Callable
from typing import Any

class ChangeType:
    NEW_STUDY: int
    STABLE_SERIES: int
    STABLE_STUDY: int

def RegisterOnChangeCallback(callback: Callable[[int, int, str], None]) -> None: ...
def RegisterRestCallback(uri: str, callback: Callable[..., None]) -> None: ...
