"""Keeps Orthanc's two ports on their addresses (docs/decisions/0011-loopback.md).

Orthanc can bind neither its DICOM port nor, before 1.12.10, its HTTP port to one address. A few
lines of C that are preloaded into it (``orthanc/bind_address.c``) do so, without any right of
root. They are compiled here, by whatever compiler the machine has, and tried before Orthanc starts.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from dicom_node.errors import SettingsError
from dicom_node.settings import EVERY_ADDRESS, LOOPBACK
from dicom_node.supervision.home import Layout

SOURCE: Final = Path(__file__).resolve().parents[2] / "orthanc" / "bind_address.c"
_LIBRARY: Final = "bind_address.so"
COMPILERS: Final = ("tcc", "gcc", "cc", "clang")
_FLAGS: Final = ("-shared", "-fPIC", "-nostdlib")
_TIMEOUT_S: Final = 30
_TRIAL: Final = """
import os, socket
def bound(port):
    with socket.socket() as probe:
        probe.bind(("", port))
        return probe.getsockname()
address, port = bound(0)
found = [address]
if "NODE_LOOPBACK_PORT" in os.environ:
    os.environ["NODE_LOOPBACK_PORT"] = str(port)
    found.append(bound(port)[0])
print(*found)
"""
"""What a process gets that asks for any address, with a port of its own as the one on loopback."""


def environment(
    layout: Layout, address: IPv4Address, loopback_port: int | None = None
) -> Mapping[str, str]:
    """Return the variables that keep a process on ``address``, if it starts in `folder`.

    One port, if it is named, is kept on loopback whatever the address.
    """
    kept = {} if address == EVERY_ADDRESS else {"NODE_BIND_ADDRESS": str(address)}
    if loopback_port is not None:
        kept["NODE_LOOPBACK_PORT"] = str(loopback_port)
    if not kept:
        return {}
    library = layout.library_folder / _LIBRARY if folder(layout) is None else f"./{_LIBRARY}"
    return {"LD_PRELOAD": str(library), **kept}


def folder(layout: Layout) -> Path | None:
    """Return where such a process must start; None where any place will do.

    In LD_PRELOAD blanks and colons separate paths, and ``$`` begins a token (ld.so(8)). In a
    home with one of them the loader finds the library from within its folder.
    """
    home = str(layout.library_folder)
    return layout.library_folder if any(c in " :$" for c in home) else None


def prepare(layout: Layout, address: IPv4Address, loopback_port: int | None = None) -> None:
    """Compile the library and prove that it keeps a process on ``address``, one port on loopback.

    Raises SettingsError where it does not: a node must not say loopback and listen everywhere.
    """
    if not environment(layout, address, loopback_port):
        return
    compile_library(layout.library_folder / _LIBRARY)
    wanted = str(address) if loopback_port is None else f"{address} {LOOPBACK}"
    bound = trial(layout, address, loopback_port)
    if bound != wanted:
        raise SettingsError(
            f"Orthanc cannot be kept on {wanted}: a trial listened on {bound}. Run "
            "dicom-node doctor; NODE_HOME must not lie on a file system mounted noexec"
        )


def compile_library(target: Path) -> None:
    """Write the library; raises SettingsError where the machine has no compiler for it."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise SettingsError(
            "no C compiler is installed, which keeps Orthanc's ports on loopback: run "
            "script/setup, or apt-get install tcc"
        )
    new = target.with_suffix(".new")
    done = _run([compiler, *_FLAGS, "-o", str(new), str(SOURCE)])
    if done.returncode != 0:
        raise SettingsError(f"{compiler} did not compile {SOURCE}: {done.stderr.strip()}")
    new.chmod(0o600)
    new.replace(target)


def trial(layout: Layout, address: IPv4Address, loopback_port: int | None = None) -> str:
    """Return the addresses that a process gets which asks for any, or what went wrong."""
    command = [sys.executable, "-I", "-c", _TRIAL]
    variables = environment(layout, address, loopback_port)
    done = _run(command, cwd=folder(layout), variables=variables)
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


def _run(
    command: list[str], cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # a compiler or our interpreter, on our own files
            command,
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise SettingsError(f"{command[0]} could not be run: {type(exc).__name__}") from exc
