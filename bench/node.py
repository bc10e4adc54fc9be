"""A node for a benchmark: started by the command line, watched in its ledger, no test tools."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.domain import StudyDetail
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.settings import Settings

_PATIENCE_S = 300.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class BenchNode:
    """A running node, and its ledger."""

    settings: Settings
    ledger: Ledger

    @classmethod
    @contextmanager
    def running(cls, home: Path) -> Iterator[Self]:
        """Run a node in this folder, on free ports, for the length of a block."""
        settings = Settings(home=home, http_port=_free_port(), dicom_port=_free_port())
        try:
            _dicom_node(settings, "up", "--detach")
            ledger = open_ledger(settings.database)
            yield cls(settings, ledger)
            ledger.close()
        finally:
            _dicom_node(settings, "down")

    def send(self, files: Sequence[Path]) -> None:
        """Send files by dcmtk's storescu; a CT uncompressed in any case."""
        command = [_storescu(), "-xs" if len(files) > 1 else "-xe", "-aec", self.settings.ae_title]
        subprocess.run(
            [*command, "127.0.0.1", str(self.settings.dicom_port), *map(str, files)],
            env={**os.environ, "TCP_NODELAY": "1"},
            check=True,
        )

    def final(self, uid: str) -> StudyDetail:
        """Wait until the study has ended, and return what the ledger says of it."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            told = self.ledger.queries.detail(uid)
            if told is not None and told.item.state.is_final:
                return told
            time.sleep(_POLL_S)
        raise SystemExit(f"study {uid} did not end within {_PATIENCE_S:.0f} s")

    def stored(self, sop_instance_uid: str) -> bytes:
        """Return a result's file as the archive has it."""
        return OrthancArchive.connect(self.settings).result(sop_instance_uid)


def _dicom_node(settings: Settings, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "worker.main", *arguments],
        env={
            **os.environ,
            "NODE_HOME": str(settings.root),
            "NODE_HTTP_PORT": str(settings.http_port),
            "NODE_DICOM_PORT": str(settings.dicom_port),
        },
        check=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _storescu() -> str:
    """Return dcmtk's program: pynetdicom installs one of the same name beside Python."""
    own = Path(sys.executable).parent
    folders = [one for one in os.environ["PATH"].split(os.pathsep) if Path(one) != own]
    found = shutil.which("storescu", path=os.pathsep.join(folders))
    if found is None:
        raise SystemExit("dcmtk's storescu is not installed: run script/setup")
    return found
