"""The DICOM door alone: HAProxy, the relay and Orthanc with its plugin, as a node starts them."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import httpx

from bench.fuzz.caller import Caller
from dicom_node.settings import Settings
from dicom_node.supervision import binding, render
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import Program, programs
from tests.nodes import NotYetError, eventually, free_port

_STOP_S: Final = 30


@dataclass
class Door:
    """A door that stands open."""

    settings: Settings
    home: Path
    environment: Mapping[str, str]
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    restarts: int = 0
    """How often Orthanc had to be started again."""

    @classmethod
    @contextmanager
    def at(cls, home: Path, **site: object) -> Iterator[Self]:
        """Open a door with its home in this folder."""
        ports = {name: free_port() for name in ("orthanc_http_port", "orthanc_dicom_port")}
        values = {"home": home, "http_port": free_port(), "dicom_port": free_port(), **ports}
        door = cls(Settings.model_validate(values | site), home, _variables(values | site))
        layout = Layout.of(door.settings)
        layout.create()
        binding.prepare(layout, door.settings.orthanc_address)
        parts = programs(door.settings)
        render.write(door.settings, parts)
        try:
            for part in parts:
                if part.name in {"orthanc", "relay", "haproxy"}:
                    door._start(part)
            door.ready()
            yield door
        finally:
            for process in door._running.values():
                process.terminate()
            for process in door._running.values():
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def ready(self) -> None:
        """Wait until Orthanc answers both ports; start it again where it has died."""
        for attempt in eventually():
            with attempt:
                self.revive()
                self.get("/system")
                try:
                    Caller(
                        self.settings.orthanc_dicom_port, str(self.settings.orthanc_address)
                    ).connect().close()
                    with socket.socket(socket.AF_UNIX) as relay:
                        relay.connect(str(Layout.of(self.settings).dicom_socket))
                except OSError as exc:
                    raise NotYetError(self.log("orthanc")) from exc

    def revive(self) -> bool:
        """Start Orthanc again where it has died; tell whether it had."""
        if self._running["orthanc"].poll() is None:
            return False
        self.restarts += 1
        part = next(part for part in programs(self.settings) if part.name == "orthanc")
        self._start(part)
        return True

    def caller(self, **values: object) -> Caller:
        """Return somebody who may call this port."""
        return Caller(self.settings.dicom_port, **values)  # type: ignore[arg-type]  # the caller's

    def get(self, path: str) -> httpx.Response:
        """GET a path of Orthanc itself."""
        url = f"{self.settings.orthanc}{path}"
        answer = httpx.get(url, auth=self.settings.orthanc_credentials, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer

    def stored(self) -> set[str]:
        """Return the SOP Instance UIDs that Orthanc holds."""
        found = self.get("/instances?expand").json()
        return {one["MainDicomTags"]["SOPInstanceUID"] for one in found}

    def log(self, name: str) -> str:
        """Return what a program has said."""
        return (self.home / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    @property
    def orthanc_pid(self) -> int:
        """The process that all associations end in."""
        return self._running["orthanc"].pid

    def memory_bytes(self) -> int:
        """Return the most memory that Orthanc has had, 0 where it has just died."""
        with suppress(OSError, ValueError):
            status = Path(f"/proc/{self.orthanc_pid}/status").read_text(encoding="utf-8")
            line = next((text for text in status.splitlines() if text.startswith("VmHWM")), "")
            return int(line.split()[1]) << 10 if line else 0
        return 0

    def _start(self, part: Program) -> None:
        with (self.home / "logs" / f"{part.name}.log").open("ab") as log:
            self._running[part.name] = subprocess.Popen(
                part.command,
                env={**os.environ, **self.environment, **part.environment},
                cwd=part.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def _variables(site: Mapping[str, object]) -> dict[str, str]:
    """Return settings as the environment variables that they are read from."""
    return {
        f"NODE_{name.upper()}": json.dumps(value) if isinstance(value, list) else str(value)
        for name, value in site.items()
    }
