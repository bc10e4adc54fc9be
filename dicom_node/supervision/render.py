"""The configuration files of a node, rendered from its settings."""

import getpass
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import dicom_door, haproxy, nginx, opening, secrets, site_orthanc
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import ORTHANC_FILE, Program
from dicom_node.supervision.secrets import write_private

_LOG_ROTATION = "10MB"
_LOG_BACKUPS = 5
_RETRIES = 1_000_000_000
"""Supervisord has no word for "for ever"; it waits one second longer after each attempt."""
_START_S = 30
"""What dies sooner waits longer and longer before it is started again. Orthanc lives for six
seconds before it finds its plugin unfit, the worker for twenty on a slow machine. Nobody waits
for these seconds: `Part.is_up`."""


def supervisor(layout: Layout, programs: Iterable[Program]) -> str:
    """Return ``supervisord.conf``."""
    lines = [
        "[supervisord]",
        f"logfile={_text(layout.log('supervisord'))}",
        f"logfile_maxbytes={_LOG_ROTATION}",
        f"logfile_backups={_LOG_BACKUPS}",
        f"pidfile={_text(layout.supervisor_pid_file)}",
        f"childlogdir={_text(layout.logs)}",
        f"identifier={_text(layout.home)}",
        "umask=077",
        *([f"user={getpass.getuser()}"] if os.getuid() == 0 else []),
        "",
        "[unix_http_server]",
        f"file={_text(layout.supervisor_socket)}",
        "chmod=0700",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        "",
        "[supervisorctl]",
        f"serverurl=unix://{_text(layout.supervisor_socket)}",
        "",
    ]
    for program in programs:
        lines += [*_program(layout, program), ""]
    return "\n".join(lines)


def _program(layout: Layout, program: Program) -> list[str]:
    environment = {
        "NODE_HOME": str(layout.home),
        "PYTHONUNBUFFERED": "1",
        **program.environment,
    }
    pairs = ",".join(f"{name}={_variable(value)}" for name, value in sorted(environment.items()))
    return [
        f"[program:{program.name}]",
        f"command={_text(shlex.join(program.command))}",
        f"environment={_text(pairs)}",
        f"priority={program.priority}",
        "autostart=true",
        "autorestart=true",
        f"startsecs={_START_S}",
        f"startretries={_RETRIES}",
        "stopsignal=TERM",
        f"stopwaitsecs={program.stop_wait_s}",
        f"stopasgroup={str(program.stop_group).lower()}",
        "killasgroup=true",
        *([f"directory={_text(program.folder)}"] if program.folder else []),
        "redirect_stderr=true",
        f"stdout_logfile={_text(_text(layout.log(program.name)))}",  # expanded twice
        f"stdout_logfile_maxbytes={_LOG_ROTATION}",
        f"stdout_logfile_backups={_LOG_BACKUPS}",
    ]


def redis(layout: Layout) -> str:
    """Return ``redis.conf``: a socket only, every write kept on disk, nothing evicted."""
    return "\n".join(
        [
            "port 0",
            f"unixsocket {_quoted(str(layout.sockets / 'redis.sock'))}",
            "unixsocketperm 700",
            f"dir {_quoted(str(layout.redis_data))}",
            "daemonize no",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            # A title is written over the environment, by which an orphan is known as ours.
            "set-proc-title no",
            "",
        ]
    )


def write(settings: Settings, programs: Iterable[Program]) -> Path:
    """Write every file that the processes read; return supervisord's.

    Files that a site puts into NODE_HOME/orthanc.d by itself are left alone.
    """
    layout = Layout.of(settings)
    site_orthanc.require_unreplaced(layout)
    write_private(layout.redis_file, redis(layout))
    write_private(layout.orthanc_folder / "node.json", ORTHANC_FILE.read_text(encoding="utf-8"))
    write_private(layout.orthanc_folder / "dicom.json", opening.render(settings))
    secrets.write(settings)
    write_doors(settings, layout)
    write_private(layout.supervisor_file, supervisor(layout, programs))
    return layout.supervisor_file


def write_doors(settings: Settings, layout: Layout) -> None:
    """Write what nginx and HAProxy read."""
    write_private(layout.nginx_file, nginx.configuration(settings, layout))
    link = layout.nginx_folder / "viewer"
    link.unlink(missing_ok=True)
    link.symlink_to(settings.viewer.resolve())
    for file, text in nginx.words(layout):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(file, text)
    for file, text in dicom_door.files(settings, layout):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(file, text)
    write_private(layout.haproxy_file, haproxy.configuration(settings, layout))


def _text(value: object) -> str:
    """Return a value as supervisord's INI reader gives it back."""
    text = str(value)
    if "\n" in text or " ;" in text or " #" in text:
        raise SettingsError(
            f"{text!r} cannot stand in supervisord's configuration: choose names without line "
            "breaks, ' ;' and ' #'"
        )
    return text.replace("%", "%%")


def _variable(value: str) -> str:
    """Return the value of a variable as supervisord reads it, which knows no escapes."""
    if '"' in value or "'" in value:
        raise SettingsError(
            f"{value!r} cannot stand in supervisord's configuration: choose names without quotes"
        )
    return f'"{value}"'


def _quoted(text: str) -> str:
    """Return text in double quotes, as Redis reads it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
