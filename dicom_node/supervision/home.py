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
    def library_folder(self) -> Path:
        """What is compiled for this machine."""
        return self.home / "lib"

    @property
    def secrets(self) -> Path:
        """The token of the node's own processes, and the key of its certificate."""
        return self.home / "secrets"

    @property
    def https_certificate(self) -> Path:
        """The certificate of the HTTP port and its key, in one file."""
        return self.secrets / "https.pem"

    @property
    def https_file(self) -> Path:
        """The rendered configuration of the HTTPS proxy."""
        return self.home / "haproxy.cfg"

    def log(self, program: str) -> Path:
        """Return the log file of one process."""
        return self.logs / f"{program}.log"

    def create(self) -> None:
        """Create the folders, readable by their owner only; raise SettingsError if it cannot."""
        folders = (self.home, self.logs, self.redis_data, self.orthanc_folder, self.secrets)
        for folder in (*folders, self.library_folder, self.orthanc_storage, self.sockets):
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
