"""The default node cannot be reached from another machine; the same scan sees what is open."""

import os
import signal
import socket
from pathlib import Path

import httpx
import psutil
import pytest

from tests.dcmtk import dcmtk
from tests.guarded import guarded_node
from tests.namespaces import other_machine
from tests.nodes import LiveNode, NotYetError, eventually

pytestmark = pytest.mark.node


def test_scan_from_another_machine_finds_both_ports_closed(node: LiveNode) -> None:
    with other_machine() as other, socket.create_server(("0.0.0.0", 0)) as control:
        open_port = control.getsockname()[1]
        found = other.scan(node.http_port, node.dicom_port, open_port)
        called = other.run(
            dcmtk("echoscu"), "-aec", "AITRIAGE", "-to", "5", other.here, str(node.dicom_port)
        )
    assert found == {node.http_port: "closed", node.dicom_port: "closed", open_port: "open"}
    assert called.returncode != 0


@pytest.mark.parametrize("everywhere", [False, True])
def test_behind_the_nodes_own_https_no_other_machine_reaches_plain_http(
    tmp_path: Path, everywhere: bool
) -> None:
    with (
        other_machine() as other,
        guarded_node(
            tmp_path, "0.0.0.0" if everywhere else other.here, names=(other.here,)
        ) as guarded,
    ):
        node = guarded.node
        found = other.scan(node.http_port, node.dicom_port, guarded.port)
        url = f"https://{other.here}:{guarded.port}/ai/session"
        told = other.run("curl", "--silent", "--noproxy", "*", "--cacert", str(guarded.ca), url)
        status = node.run("status", "--json").stdout
    assert found == {node.http_port: "closed", node.dicom_port: "open", guarded.port: "open"}
    assert "log in at /ai/login" in told.stdout
    assert '"ready": true' in status


def test_orthanc_listens_on_loopback_alone(node: LiveNode) -> None:
    node.healthy()
    orthanc = psutil.Process(node.parts()["orthanc"])
    listening = {c.laddr for c in orthanc.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    site = node.settings()
    address = str(site.orthanc_address)
    assert listening == {(address, site.orthanc_http_port), (address, site.orthanc_dicom_port)}
    assert httpx.get(f"{site.orthanc}/system", trust_env=False).status_code == 401


def test_without_its_library_orthanc_does_not_come_up(node: LiveNode) -> None:
    library = node.home / "lib" / "bind_address.so"
    aside = library.with_suffix(".aside")
    log = node.home / "logs" / "orthanc.log"
    library.rename(aside)
    try:
        os.kill(node.parts()["orthanc"], signal.SIGKILL)
        for attempt in eventually():
            with attempt:
                if "instead of 127." not in log.read_text(encoding="utf-8"):
                    raise NotYetError("Orthanc has not been started again")
        site = node.settings()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((str(site.orthanc_address), site.orthanc_dicom_port), 5)
    finally:
        aside.rename(library)
    node.healthy()
