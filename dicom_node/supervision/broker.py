"""Starts the node's Redis on a file that a power cut may have damaged.

Redis itself mends the end of the file that it wrote last (``aof-load-truncated``) and refuses any
other damage, for ever. The ledger is the truth and messages are ids: what is lost is dispatched
again. So a file that Redis would refuse is repaired by ``redis-check-aof``, and set aside where
that does not help.

    python -m dicom_node.supervision.broker REDIS_SERVER REDIS_CHECK_AOF CONFIGURATION FOLDER
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from dicom_node import log

_FOLDER: Final = "appendonlydir"
_LONGEST_S: Final = 60
"""Of one check; a file too large for that is left to Redis."""


def make_sound(check: str, folder: Path) -> None:
    """Repair the append-only files in Redis's folder, or set them aside."""
    for file in _files(folder):
        if _is_sound(check, file):
            continue
        if _is_repaired(check, file):
            log.get().warning("broker.repaired", process="redis", count=file.stat().st_size)
            continue
        aside = _set_aside(folder)
        log.get().error(
            "broker.set_aside",
            process="redis",
            error=f"Redis's file was damaged beyond repair and lies in {aside.name} now; Redis "
            "starts empty, and what it held is dispatched again from the ledger",
        )
        return


def _files(folder: Path) -> list[Path]:
    """Return what Redis would load: the manifest of Redis 7, or the one file of Redis 6."""
    manifests = sorted((folder / _FOLDER).glob("*.manifest"))
    single = [file for file in (folder / "appendonly.aof",) if file.is_file()]
    if not manifests and any((folder / _FOLDER).glob("*.aof")):
        return [folder / _FOLDER]  # files without the manifest that names them
    return manifests + single


def _is_sound(check: str, file: Path) -> bool:
    return _is_whole(file) and _run([check, str(file)])


def _is_repaired(check: str, file: Path) -> bool:
    return _is_whole(file) and _run([check, "--fix", str(file)]) and _is_sound(check, file)


def _is_whole(file: Path) -> bool:
    """Tell whether a file is there and, if it is a manifest, names others.

    ``redis-check-aof`` takes any other manifest for commands, and mends it by cutting all of it.
    """
    return file.is_file() and (file.suffix != ".manifest" or file.read_bytes().startswith(b"file "))


def _run(command: list[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  # Redis's own tool on our own file
            command, input=b"y\ny\n", capture_output=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode == 0


def _set_aside(folder: Path) -> Path:
    aside = folder / f"damaged-{time.strftime('%Y%m%dT%H%M%S')}"
    aside.mkdir(mode=0o700)
    for name in (_FOLDER, "appendonly.aof"):
        if (folder / name).exists():
            (folder / name).rename(aside / name)
    return aside


def main() -> None:
    """Make the files sound, then become Redis."""
    server, check, configuration, folder = sys.argv[1:]
    log.configure("INFO")
    make_sound(check, Path(folder))
    os.execv(server, [server, configuration])  # noqa: S606  # as supervisord would


if __name__ == "__main__":
    main()
