"""Where things lie in NODE_HOME."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings

_PRIVATE = 0o700
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one node; nothing is created by asking for them."""

    home: Path
    sockets: Path

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the layout of the node that these settings describe."""
        return cls(settings.root, settings.socket_dir)

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.home / "logs"

    @property
    def supervisor_file(self) -> Path:
        """The rendered configuration of supervisord."""
        return self.home / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord listens; it appends its process id while it opens the socket."""
        return self.sockets / "super.sock"

    @property
    def supervisor_pid_file(self) -> Path:
        """Where supervisord writes its process id."""
        return self.home / "supervisord.pid"

    @property
    def redis_file(self) -> Path:
        """The rendered configuration of Redis."""
        return self.home / "redis.conf"

    @property
    def redis_data(self) -> Path:
        """Where Redis keeps its append-only file."""
        return self.home / "redis"

    @property
    def orthanc_folder(self) -> Path:
        """The JSON files that Orthanc merges: ours, and whatever the site adds beside them."""
        return self.home / "orthanc.d"

    @property
    def orthanc_storage(self) -> Path:
        """Orthanc's index and storage area."""
        return self.home / "orthanc"

    @property
    def outbox(self) -> Path:
        """Results that are on their way to a destination just now."""
        return self.home / "outbox"

    @property
    def library_folder(self) -> Path:
        """What is compiled for this machine."""
        return self.home / "lib"

    @property
    def secrets(self) -> Path:
        """The token of the node's own processes, and the key of its certificate."""
        return self.home / "secrets"

    @property
    def https_certificate(self) -> Path:
        """The certificate of the HTTPS port and its key, in one file."""
        return self.secrets / "https.pem"

    @property
    def dicom_certificate(self) -> Path:
        """The certificate of the DICOM port and its key, in one file."""
        return self.secrets / "dicom.pem"

    @property
    def nginx_file(self) -> Path:
        """The rendered configuration of nginx, the front door of HTTP."""
        return self.home / "nginx.conf"

    @property
    def nginx_folder(self) -> Path:
        """Where nginx keeps bodies that are on their way."""
        return self.home / "nginx"

    @property
    def haproxy_file(self) -> Path:
        """The rendered configuration of HAProxy, the front door of DICOM."""
        return self.home / "haproxy.cfg"

    @property
    def dicom_door(self) -> Path:
        """What HAProxy knows of those who may call the DICOM port, and of what they may send."""
        return self.home / "dicom-door"

    @property
    def orthanc_socket(self) -> Path:
        """Where HAProxy takes nginx's requests to Orthanc, and lets them wait their turn."""
        return self.sockets / "orthanc.sock"

    @property
    def dicom_socket(self) -> Path:
        """Where the relay takes the associations that HAProxy has let in."""
        return self.sockets / "dicom.sock"

    @property
    def tally(self) -> Path:
        """How many messages wait, as the API process has counted them for the plugin."""
        return self.sockets / "waiting"

    def log(self, program: str) -> Path:
        """Return the log file of one process."""
        return self.logs / f"{program}.log"

    def create(self) -> None:
        """Create the folders, readable by their owner only; raise SettingsError if it cannot."""
        folders = (self.home, self.logs, self.redis_data, self.orthanc_folder, self.secrets)
        more = (self.library_folder, self.orthanc_storage, self.sockets, self.nginx_folder)
        for folder in (*folders, *more, self.dicom_door):
            _create_private(folder)


def _create_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise SettingsError(
                f"{folder} belongs to another user (uid {status.st_uid}): run as that user, or "
                "name another folder in NODE_HOME"
            )
        if stat.S_IMODE(status.st_mode) & _OTHERS:
            folder.chmod(_PRIVATE)
    except OSError as exc:
        raise SettingsError(
            f"{folder} cannot be made private: {exc.strerror}: name another folder in NODE_HOME"
        ) from exc
