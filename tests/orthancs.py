"""A real Orthanc as stands behind the front door: its plugins for DICOMweb, and no one else."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from dicom_node.api.services import Services
from dicom_node.settings import Settings
from dicom_node.supervision.programs import tool
from tests.asgi import AsgiClient
from tests.nodes import NotYetError, eventually, free_port

_PASSWORD = "the archive's own word"
_PLUGINS = Path("/usr/share/orthanc/plugins")


@dataclass(frozen=True)
class LiveOrthanc:
    """One running Orthanc, which asks for a user and a password."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The address of its REST API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Settings:
        """Settings of a node whose Orthanc this is."""
        return Settings(
            home=self.folder,
            orthanc_url=self.url,
            public_url="https://pacs.example:8443",
            orthanc_user="node",
            orthanc_password_file=self.folder / "password",
        )

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask it for something past the front door."""
        return httpx.request(
            method,
            f"{self.url}{path}",
            auth=("node", _PASSWORD),
            timeout=30,
            trust_env=False,
            **options,
        )

    def store(self, *dicom_files: bytes) -> list[str]:
        """Store files; return Orthanc's ids of them."""
        stored = [self.request("POST", "/instances", content=one) for one in dicom_files]
        return [one.raise_for_status().json()["ID"] for one in stored]

    def clear(self) -> None:
        """Delete everything that it holds."""
        for patient in self.request("GET", "/patients").json():
            self.request("DELETE", f"/patients/{patient}").raise_for_status()

    def is_alive(self) -> bool:
        """Tell whether the process that was started still runs, and answers."""
        return self.process.poll() is None and self.request("GET", "/system").is_success


@dataclass(frozen=True)
class Site:
    """The API's application before a real Orthanc."""

    orthanc: LiveOrthanc
    services: Services
    client: AsgiClient

    @property
    def audit(self) -> set[tuple[str, str | None]]:
        """What the trail says was done, and to which study."""
        return {
            (entry.action, entry.study_instance_uid)
            for entry in self.services.ledger.audit.entries()
        }


@contextmanager
def running_orthanc(folder: Path) -> Iterator[LiveOrthanc]:
    """Start an Orthanc on ports of its own, and end it."""
    port = free_port()
    (folder / "password").write_text(_PASSWORD, encoding="utf-8")
    file = folder / "orthanc.json"
    file.write_text(json.dumps(_configuration(folder, port)), encoding="utf-8")
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            [tool("Orthanc"), str(file)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
    live = LiveOrthanc(folder, port, process)
    try:
        for attempt in eventually():
            with attempt:
                if not live.request("GET", "/system").is_success:
                    raise NotYetError((folder / "orthanc.log").read_text(encoding="utf-8"))
        yield live
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder / "db", ignore_errors=True)


def _configuration(folder: Path, port: int) -> dict[str, Any]:
    names = ("libOrthancDicomWeb.so", "libOrthancGdcm.so")
    return {
        "Name": "dicom-node",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "HttpPort": port,
        "DicomPort": free_port(),
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"node": _PASSWORD},
        "HttpDescribeErrors": True,
        "OverwriteInstances": True,
        "Plugins": [str(_PLUGINS / name) for name in names],
        "DicomWeb": {
            "Enable": True,
            "Root": "/dicom-web/",
            "EnableWado": True,
            "WadoRoot": "/wado",
            "StudiesMetadata": "Full",
            "SeriesMetadata": "Full",
        },
    }
