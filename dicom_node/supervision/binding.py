"""Keeps Orthanc's two ports on one address (docs/decisions/0011-loopback.md).

Orthanc can bind neither its DICOM port nor, before 1.12.10, its HTTP port to one address. A few
lines of C that are preloaded into it (``orthanc/bind_address.c``) do so, without any right of
root: this node's address on loopback, where nothing but its own front doors look for it. They are
compiled here, by whatever compiler the machine has, and tried before Orthanc starts.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from dicom_node.errors import SettingsError
from dicom_node.supervision.home import Layout

SOURCE: Final = Path(__file__).resolve().parents[2] / "orthanc" / "bind_address.c"
_LIBRARY: Final = "bind_address.so"
COMPILERS: Final = ("tcc", "gcc", "cc", "clang")
_FLAGS: Final = ("-shared", "-fPIC", "-nostdlib")
_TIMEOUT_S: Final = 30
_TRIAL: Final = """
import socket
with socket.socket() as probe:
    probe.bind(("", 0))
    print(probe.getsockname()[0])
"""
"""Prints the address that a process gets which asks for any."""


def environment(layout: Layout, address: IPv4Address) -> Mapping[str, str]:
    """Return the variables that keep a process on ``address``, if it starts in `folder`."""
    library = layout.library_folder / _LIBRARY if folder(layout) is None else f"./{_LIBRARY}"
    return {"LD_PRELOAD": str(library), "NODE_BIND_ADDRESS": str(address)}


def folder(layout: Layout) -> Path | None:
    """Return where such a process must start; None where any place will do.

    In LD_PRELOAD blanks and colons separate paths, and ``$`` begins a token (ld.so(8)). In a
    home with one of them the loader finds the library from within its folder.
    """
    home = str(layout.library_folder)
    return layout.library_folder if any(c in " :$" for c in home) else None


def prepare(layout: Layout, address: IPv4Address) -> None:
    """Compile the library and prove that it keeps a process on ``address``.

    Raises SettingsError where it does not: a node must not say loopback and listen everywhere.
    """
    compile_library(layout.library_folder / _LIBRARY)
    bound = trial(layout, address)
    if bound != str(address):
        raise SettingsError(
            f"Orthanc cannot be kept on {address}: a trial listened on {bound}. Run "
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


def trial(layout: Layout, address: IPv4Address) -> str:
    """Return the address that a process gets which asks for any, or what went wrong."""
    command = [sys.executable, "-I", "-c", _TRIAL]
    done = _run(command, cwd=folder(layout), variables=environment(layout, address))
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
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise SettingsError(f"{command[0]} could not be run: {type(exc).__name__}") from exc
