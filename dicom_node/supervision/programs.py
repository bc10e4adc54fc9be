"""The processes that one node consists of."""

import hashlib
import os
import resource
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import binding
from dicom_node.supervision.home import Layout

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds ``dicom_node/`` and ``orthanc/``."""

PLUGIN_FILE = CHECKOUT / "orthanc" / "triage_plugin.py"
ORTHANC_FILE = CHECKOUT / "orthanc" / "orthanc.json"
_STACK_BYTES = 16 << 20
_LEAST_BYTES = 4 << 30
"""Of Orthanc's memory: 200 stacks, and an object of several hundred megabytes."""

_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process.

    ``priority``: lower starts earlier and ends later. ``stop_wait_s``: how long it may take to
    end before it is killed. ``stop_group``: whether its children get the stop signal too; a
    Celery worker must tell its own, or it loses the task that they are working on. ``folder``:
    where it starts. ``trial``: a command that only reads its configuration, if it has one.
    """

    name: str
    command: tuple[str, ...]
    priority: int
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_wait_s: int = 15
    stop_group: bool = True
    folder: Path | None = None
    trial: tuple[str, ...] = ()


def tool(name: str) -> str:
    """Return the path of an installed program; raise SettingsError where it is missing."""
    search = os.pathsep.join([os.defpath, *_SYSTEM_FOLDERS])
    found = shutil.which(name) or shutil.which(name, path=search)
    if found is None:
        raise SettingsError(f"the program {name} is not installed: run script/setup")
    return found


def programs(settings: Settings) -> tuple[Program, ...]:
    """Return the processes of this node, in the order in which they start.

    Redis and Orthanc, with the relay before it, are left out where somebody else runs them.
    Raises SettingsError where a program is not installed.
    """
    layout = Layout.of(settings)
    own = []
    if not settings.redis_url:
        own.append(_redis(layout))
    if not settings.orthanc_url:
        own += [_orthanc(settings, layout), relay()]
    return (*own, *_python_programs(settings, layout), _nginx(layout), _haproxy(layout))


def _redis(layout: Layout) -> Program:
    command = (
        sys.executable,
        "-m",
        "dicom_node.supervision.broker",
        tool("redis-server"),
        tool("redis-check-aof"),
        str(layout.redis_file),
        str(layout.redis_data),
    )
    return Program("redis", command, priority=10, environment={"PYTHONPATH": str(CHECKOUT)})


def _orthanc(settings: Settings, layout: Layout) -> Program:
    # The plugin runs in Orthanc's embedded Python, which knows nothing of the environment
    # that dicom_node is installed in.
    environment = {
        **orthanc_environment(settings, layout),
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), sysconfig.get_path("purelib")]),
        "LC_ALL": "C.UTF-8",  # an embedded Python under C knows no path beyond ASCII
        "TCP_NODELAY": "1",  # dcmtk: without it every instance waits 40 ms for an ACK
        **binding.environment(layout, settings.orthanc_address),
    }
    command = (*orthanc_limits(settings), tool("Orthanc"), str(layout.orthanc_folder))
    folder = binding.folder(layout)
    return Program("orthanc", command, 20, environment, stop_wait_s=30, folder=folder)


def orthanc_limits(settings: Settings) -> tuple[str, ...]:
    """Return the words that bound Orthanc's memory, and give its threads a larger stack.

    RLIMIT_DATA, which counts the stacks too; glibc takes their size from RLIMIT_STACK. An object
    that needs more than that meets an error of its own, where the kernel would end all of Orthanc
    and with it everybody's associations.
    """
    limits = [f"--stack={_at_most(resource.RLIMIT_STACK, _STACK_BYTES)}:"]
    memory = settings.orthanc_memory_bytes
    if memory is None:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = max(_LEAST_BYTES, machine // 2)
    if memory:
        limits.append(f"--data={_at_most(resource.RLIMIT_DATA, memory)}:")
    return (tool("prlimit"), *limits)


def _at_most(limit: int, wanted: int) -> int:
    """Return what is wanted of a limit, or what this user may have of it."""
    _, hard = resource.getrlimit(limit)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def relay() -> Program:
    """Return the process that looks at what is sent between HAProxy and Orthanc."""
    return Program("relay", (sys.executable, "-m", "dicom_node.relay.server"), priority=30)


def _nginx(layout: Layout) -> Program:
    # From within its folder: in a path that it makes absolute itself, nginx takes $ for a variable.
    command = (tool("nginx"), "-p", ".", "-e", "stderr", "-c", str(layout.nginx_file))
    return Program(
        "nginx", command, priority=60, folder=layout.nginx_folder, trial=(*command, "-t")
    )


def _haproxy(layout: Layout) -> Program:
    command = (tool("haproxy"), "-db", "-f", str(layout.haproxy_file))
    return Program("haproxy", command, priority=60, trial=(*command, "-c"))


def orthanc_environment(settings: Settings, layout: Layout) -> dict[str, str]:
    """Return the variables that ``orthanc/orthanc.json`` substitutes."""
    return {
        "NODE_ORTHANC_HTTP_PORT": str(settings.orthanc_http_port),
        "NODE_ORTHANC_DICOM_PORT": str(settings.orthanc_dicom_port),
        "NODE_AE_TITLE": settings.ae_title,
        "NODE_STABLE_AGE_S": str(settings.stable_age_s),
        "NODE_ORTHANC_STORAGE": str(layout.orthanc_storage),
        "NODE_ORTHANC_SCRIPT": str(PLUGIN_FILE),
        "NODE_REDIS_URL": settings.redis,
        "NODE_TALLY": str(layout.tally),
        "NODE_QUEUE_LIMIT": str(settings.queue_limit),
        "NODE_DISK_RESERVE_BYTES": str(settings.disk_reserve_bytes),
        "NODE_LOG_LEVEL": settings.log_level,
        "NODE_POLICY": str(settings.policy.resolve()) if settings.policy else "",
        "NODE_CHECKPOINTS": str(settings.checkpoints or ""),
    }


def _python_programs(settings: Settings, layout: Layout) -> tuple[Program, ...]:
    celery = (sys.executable, "-m", "celery", "-A", "worker.app")
    level = ("--loglevel", settings.log_level)
    name = hashlib.sha256(os.fsencode(settings.root)).hexdigest()[:8]

    def worker(queue: str, *options: str) -> tuple[str, ...]:
        quiet = ("--without-gossip", "--without-mingle")
        node = ("-n", f"{queue}-{name}@%h")
        return (*celery, "worker", "-Q", queue, *options, *quiet, *node, *level)

    many = ("--pool", "threads", "--concurrency", "4")
    one_by_one = ("--pool", "prefork", "--concurrency", "1", "--prefetch-multiplier", "1")
    return (
        Program("api", (sys.executable, "-m", "dicom_node.api.server"), 30),
        Program("intake", worker("intake", *many), 40, stop_group=False),
        Program(
            "worker",
            worker("triage", *one_by_one),
            priority=40,
            stop_wait_s=30,
            stop_group=False,
        ),
        Program("beat", (*celery, "beat", "--pidfile=", *level), 50, stop_group=False),
    )
