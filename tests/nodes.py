"""A node that really runs, driven from outside: the command line, DICOM and HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from random import SystemRandom
from typing import Any, Self

import httpx
from pydicom import Dataset, dcmread
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from dicom_node.archive.dimse import Peer, SendOutcome, StoreScu
from dicom_node.archive.orthanc import OrthancArchive
from dicom_node.settings import Settings
from tests.dcmtk import dcmtk

FINAL = frozenset({"REPORTED", "REFUSED", "FAILED"})
_DEADLINE_S = 120.0
_FIRST_PORT = 15_000
"""Below it are the ports of services that a machine may have, Redis and DICOM among them."""


class NotYetError(AssertionError):
    """What a test waits for has not come about."""


def free_port() -> int:
    """Return a TCP port that nobody listens on and that no outgoing connection is given.

    One from the kernel's own range could be a connection's by the time that a node listens. Each of
    pytest's workers has ports of its own.
    """
    given = int(
        Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="utf-8").split()[0]
    )
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        port = SystemRandom().choice(range(_FIRST_PORT + worker, given, workers))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


def eventually(deadline_s: float = _DEADLINE_S) -> Retrying:
    """Try a block again while it raises NotYetError, until the deadline."""
    return Retrying(
        retry=retry_if_exception_type((NotYetError, httpx.TransportError)),
        stop=stop_after_delay(deadline_s),
        wait=wait_fixed(0.1),
        reraise=True,
    )


@dataclass(frozen=True)
class LiveNode:
    """One running node."""

    home: Path
    http_port: int
    dicom_port: int
    destination_port: int
    environment: Mapping[str, str]

    @classmethod
    def at(cls, home: Path) -> Self:
        """Return a node that is still down, with its home in this folder, on free ports."""
        return cls(home, free_port(), free_port(), free_port(), dict(os.environ))

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Start the node for the length of a block."""
        try:
            self.up()
            yield self
        finally:
            self.down()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``dicom-node`` against this node."""
        done = subprocess.run(
            [sys.executable, "-m", "worker.main", *arguments],
            env={**self.environment, **self._variables()},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{self.logs()}\n{arguments}: {done.stdout}{done.stderr}")
        return done

    def up(self) -> None:
        """Start the node and wait until it is ready."""
        self.run("up", "--detach")

    def down(self) -> None:
        """End the node."""
        self.run("down")

    def logs(self, lines: int = 40) -> str:
        """Return the end of each log file."""
        return "\n".join(
            f"== {f.name}\n"
            + "\n".join(f.read_text(errors="replace", encoding="utf-8").splitlines()[-lines:])
            for f in sorted((self.home / "logs").glob("*.log"))
        )

    def settings(self) -> Settings:
        """Return the node's settings."""
        return Settings(home=self.home, http_port=self.http_port, dicom_port=self.dicom_port)

    def archive(self) -> OrthancArchive:
        """Return the node's Orthanc."""
        return OrthancArchive.connect(self.settings())

    def send(self, files: Iterable[Path]) -> list[SendOutcome]:
        """Send files by C-STORE over one association."""
        return list(StoreScu(Peer("127.0.0.1", self.dicom_port, "AITRIAGE")).send(files))

    def dcmsend(self, files: Iterable[Path]) -> None:
        """Send files by dcmtk, each as it is; what the node will not take is passed over."""
        command = [
            dcmtk("dcmsend"),
            "--no-halt",
            "--no-uid-checks",
            "-aec",
            "AITRIAGE",
            "127.0.0.1",
        ]
        subprocess.run(
            [*command, str(self.dicom_port), *map(str, files)],
            env={**self.environment, "TCP_NODELAY": "1"},
            capture_output=True,
            timeout=300,
            check=False,
        )

    def archived(self) -> set[str]:
        """Return the Study Instance UIDs of all that the archive holds."""
        studies = self.get("/studies?expand").json()
        return {study["MainDicomTags"]["StudyInstanceUID"] for study in studies}

    def get(self, path: str) -> httpx.Response:
        """GET a path of the node's one origin."""
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", timeout=30, trust_env=False)

    def post(self, path: str, body: object) -> httpx.Response:
        """POST JSON to a path of the node's one origin."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        return httpx.post(url, json=body, timeout=30, trust_env=False)

    def stored(self, sop_instance_uid: str) -> list[Dataset]:
        """Return every copy of an instance that the archive holds."""
        found = self.lookup(sop_instance_uid, "Instance")
        files = [self.get(f"/instances/{one}/file").content for one in found]
        return [dcmread(BytesIO(content)) for content in files]

    def lookup(self, uid: str, level: str) -> list[str]:
        """Return the archive's ids of everything at this level that has the UID."""
        url = f"http://127.0.0.1:{self.http_port}/tools/lookup"
        hits = httpx.post(url, content=uid, timeout=30, trust_env=False).json()
        return [hit["ID"] for hit in hits if hit["Type"] == level]

    def delete(self, path: str) -> None:
        """DELETE a path of the node's one origin."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        httpx.delete(url, timeout=30, trust_env=False).raise_for_status()

    def reports(self, study_instance_uid: str) -> list[str]:
        """Return the SOP Instance UIDs of all SRs that the archive holds of a study."""
        return self.held(study_instance_uid, "SR")

    def held(self, study_instance_uid: str, modality: str) -> list[str]:
        """Return the SOP Instance UIDs of all that the archive holds of a study and modality."""
        path = f"/dicom-web/studies/{study_instance_uid}/instances?Modality={modality}"
        return [instance["00080018"]["Value"][0] for instance in self.get(path).json()]

    @contextmanager
    def paused(self, part: str) -> Iterator[None]:
        """Hold a part of the node still for the length of a block."""
        process = self.parts()[part]
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """Stop a part of the node for the length of a block; all is well again afterwards."""
        with self.stopped(part):
            yield
        self.healthy()

    @contextmanager
    def stopped(self, part: str) -> Iterator[None]:
        """Stop a part of the node for the length of a block; its process runs again afterwards."""
        self._supervisor("stop", part)
        try:
            yield
        finally:
            self._supervisor("start", part)

    def parts(self) -> dict[str, int]:
        """Return the process id of each part that runs."""
        told = json.loads(self.run("status", "--json", check=False).stdout)
        return {part["name"]: part["pid"] for part in told["parts"] if part["pid"]}

    def study(self, uid: str) -> dict[str, Any]:
        """Return what the API says of a study."""
        answer = self.get(f"/ai/studies/{uid}")
        if answer.status_code != httpx.codes.OK:
            raise NotYetError(f"{uid}: {answer.status_code} {answer.text}")
        return dict(answer.json())

    def final(self, uid: str, *, runs: int = 0, deadline_s: float = _DEADLINE_S) -> dict[str, Any]:
        """Wait until the study has ended, after ``runs`` runs; return what the API says."""
        for attempt in eventually(deadline_s):
            with attempt:
                told = self.study(uid)
                if told["state"] not in FINAL or len(told["runs"]) < runs:
                    raise NotYetError(f"{uid} is {told['state']}\n{self.logs()}")
        return told

    def healthy(self) -> dict[str, Any]:
        """Wait until the node says that it is ready."""
        for attempt in eventually():
            with attempt:
                answer = self.get("/ai/health")
                if answer.status_code != httpx.codes.OK:
                    raise NotYetError(answer.text)
        return dict(answer.json())

    def _supervisor(self, *command: str) -> None:
        program = Path(sys.executable).with_name("supervisorctl")
        file = self.home / "supervisord.conf"
        subprocess.run([program, "-c", file, *command], capture_output=True, check=True, timeout=60)

    def _variables(self) -> dict[str, str]:
        return {
            "NODE_HOME": str(self.home),
            "NODE_HTTP_PORT": str(self.http_port),
            "NODE_DICOM_PORT": str(self.dicom_port),
        }
