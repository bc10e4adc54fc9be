"""Starts and ends a node, and tells how it is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from dicom_node.errors import NodeError, SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import binding, deaths, health, listeners, render
from dicom_node.supervision.client import Part, Supervisord
from dicom_node.supervision.health import Health
from dicom_node.supervision.home import Layout
from dicom_node.supervision.patience import Patience
from dicom_node.supervision.programs import Program, programs

_POLL_S = 0.2
_STOP_DEADLINE_S = 120.0
_ORPHAN_GRACE_S = 15.0
_MARK = "SUPERVISOR_SERVER_URL"
"""Supervisord puts this into the environment of each child; ours names our socket."""


def supervisord(settings: Settings) -> Supervisord:
    """Return the way to this node's supervisord."""
    return Supervisord(Layout.of(settings).supervisor_socket)


def is_running(settings: Settings) -> bool:
    """Tell whether this node's supervisord answers."""
    return supervisord(settings).pid() is not None


def prepare(settings: Settings) -> Path:
    """Create NODE_HOME, check the ports and write the configuration files.

    Returns supervisord's file. Ends what a killed supervisord of this very node has left
    behind. Raises SettingsError where a port is taken or a program is missing, and where Orthanc
    cannot be kept on its address.
    """
    Layout.of(settings).create()
    end_orphans(settings)
    listeners.require_free(settings)
    if not settings.orthanc_url:
        layout = Layout.of(settings)
        binding.prepare(layout, settings.orthanc_address)
    parts = programs(settings)
    file = render.write(settings, parts)
    _try_doors(parts)
    return file


def _try_doors(parts: Iterable[Program]) -> None:
    """Have nginx and HAProxy read their files; raise SettingsError with their words if they can't.

    They are what others knock at, so a fault in a certificate or a name is told before they start.
    """
    for part in parts:
        if part.trial:
            done = subprocess.run(  # noqa: S603  # our own programs and files
                part.trial,
                cwd=part.folder,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            if done.returncode != 0:
                words = (done.stderr or done.stdout).strip()
                raise SettingsError(f"{part.name} does not take its configuration: {words}")


def start_detached(configuration: Path) -> None:
    """Start supervisord in the background; raise NodeError with its own words if it cannot."""
    done = subprocess.run(  # noqa: S603  # our own interpreter and file
        _command(configuration),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise NodeError(f"supervisord did not start: {(done.stderr or done.stdout).strip()}")


def start_in_foreground(configuration: Path, beside: Callable[[Callable[[], bool]], None]) -> None:
    """Become supervisord: it ends with Ctrl-C or SIGTERM, and ends all parts with it.

    ``beside`` runs in a process of its own meanwhile, to tell how the start goes; what it is given
    says whether supervisord still lives.
    """
    sys.stdout.flush()
    pid = os.getpid()
    if os.fork() == 0:
        try:
            beside(lambda: os.getppid() == pid)
        finally:
            os._exit(0)
    command = [*_command(configuration), "--nodaemon"]
    os.execv(command[0], command)  # noqa: S606  # our own interpreter and file


def _command(configuration: Path) -> list[str]:
    return [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]


def wait_ready(
    settings: Settings, deadline_s: float, progress: Callable[[str], None]
) -> tuple[bool, str]:
    """Wait until every part is up and the node says that it is ready.

    While progress is visible the wait goes on beyond ``deadline_s``, but not for ever. Returns
    whether it is ready, and what was still amiss, well before the deadline where a part dies
    at its start. ``progress`` gets that text meanwhile.
    Ends the node and raises NodeError where Orthanc listens elsewhere than behind its doors.
    """
    start = time.monotonic()
    patience = Patience(deadline_s)
    watch = deaths.Watch()
    while True:
        parts = state(settings)
        if dying := watch.see(parts, time.monotonic() - start):
            return False, dying
        ready, amiss = verdict(parts, health.ask(settings))
        if ready and (unsettled := watch.unsettled()):
            ready, amiss = False, f"{', '.join(unsettled)} died and came back just now"
        if ready:
            require_kept(settings, parts)
        if ready or patience.is_over(amiss, parts):
            return ready, amiss
        progress(amiss)
        time.sleep(_POLL_S)


def require_kept(settings: Settings, parts: tuple[Part, ...]) -> None:
    """End the node, and raise NodeError, where Orthanc listens beside its address."""
    found = strays(settings, parts)
    if found:
        stop(settings)
        raise NodeError(
            f"Orthanc listened on {', '.join(found)} and not where it should, so the node was "
            "ended; run dicom-node doctor"
        )


def strays(settings: Settings, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """Return where this node's Orthanc listens and should not."""
    pid = next((part.pid for part in parts if part.name == "orthanc"), None)
    if pid is None:
        return ()
    return listeners.strays(pid, settings.orthanc_address)


def state(settings: Settings) -> tuple[Part, ...]:
    """Return the processes of the node; empty where it is down."""
    return supervisord(settings).parts()


def verdict(parts: tuple[Part, ...], answer: Health) -> tuple[bool, str]:
    """Tell whether the node is ready, and what is amiss where it is not."""
    if not parts:
        return False, "the node is down"
    down = [deaths.told(part) for part in parts if not part.is_up]
    if down:
        return False, "; ".join(down)
    return answer.ready, answer.message


def stop(settings: Settings, deadline_s: float = _STOP_DEADLINE_S) -> bool:
    """End the node that these settings describe; False where there was nothing to end.

    Only processes of the supervisord that answers on this node's socket are touched, and such
    as carry that socket's address in their environment. Raises NodeError at the deadline.
    """
    answering = supervisord(settings)
    pid = answering.pid()
    if pid is None:
        return end_orphans(settings)
    process = psutil.Process(pid)
    for part in state(settings):
        # The Python processes end side by side; Orthanc and Redis, which they need, after them.
        if part.name not in {"orthanc", "redis"}:
            answering.stop_without_waiting(part.name)
    answering.shut_down()
    try:
        process.wait(deadline_s)
    except psutil.TimeoutExpired as exc:
        raise NodeError(
            f"supervisord (process {pid}) did not end within {deadline_s:.0f} s; see "
            f"{Layout.of(settings).log('supervisord')}"
        ) from exc
    end_orphans(settings)
    return True


def end_orphans(settings: Settings) -> bool:
    """End processes of this node that outlived its supervisord; tell whether there were any."""
    if is_running(settings):
        return False
    left = list(_orphans(f"unix://{Layout.of(settings).supervisor_socket}"))
    for process in left:
        process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=_ORPHAN_GRACE_S)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=_ORPHAN_GRACE_S)
    return bool(left)


def _orphans(url: str) -> Iterator[psutil.Process]:
    me = psutil.Process()
    spared = {me.pid, *(process.pid for process in me.parents())}
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(_MARK) == url:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
