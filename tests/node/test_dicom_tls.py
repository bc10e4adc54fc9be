"""A node that asks for certificates: who gets in, and what turns everybody else away."""

import gc
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from dicom_node.archive.dimse import Peer, StoreScu, tls_context
from dicom_node.domain import RunState
from dicom_node.phantom.samples import DemoSample, demo_studies
from tests.certificates import Authority, Identity
from tests.collectors import Collector, ids
from tests.dcmtk import dcmtk
from tests.nodes import LiveNode, NotYetError, eventually, free_port

pytestmark = [
    pytest.mark.node,
    # pynetdicom 3.0.4 leaves a refused socket to the collector, which warns.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

_STATION: Final = "CT-1"
_READER: Final = "VIEWER-1"
_CUT_OFF: Final = frozenset({"SSLEOFError", "UNEXPECTED_EOF_WHILE_READING", "ConnectionResetError"})
"""The node closes as soon as it has sent its alert, which may then be lost on the way."""

_MODALITIES: Final = """
[[modalities]]
name = "ct"
ae_title = "CT-1"
host = "127.0.0.1"
certificate_name = "ct-1.example"

[[modalities]]
name = "reading-room"
ae_title = "VIEWER-1"
host = "127.0.0.1"
certificate_name = "ct-1.example"
may = ["find", "get"]
"""


@dataclass(frozen=True)
class Strict:
    """The node, and the certificates around it."""

    node: LiveNode
    authority: Authority
    mine: Identity

    def context(self) -> ssl.SSLContext:
        """Return what a modality needs that is let in."""
        made = tls_context(self.authority.file, self.mine.certificate, self.mine.key)
        assert made is not None
        return made

    def peer(self, calling: str = _STATION, called: str = "AITRIAGE") -> Peer:
        port = self.node.dicom_port
        return Peer("127.0.0.1", port, called, calling, 60, self.context())


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    """Start a node with certificates and two named modalities."""
    home = tmp_path_factory.mktemp("strict")
    authority = Authority(home / "certificates")
    own = authority.issue("127.0.0.1")
    collector = authority.issue("node.example")
    lines: dict[str, object] = {
        "audit_syslog_host": "127.0.0.1",
        "audit_syslog_ca_file": authority.file,
        "audit_syslog_certificate_file": collector.certificate,
        "audit_syslog_key_file": collector.key,
        "dicom_tls_certificate_file": own.certificate,
        "dicom_tls_key_file": own.key,
        "dicom_tls_ca_file": authority.file,
    }
    live = LiveNode(home, free_port(), free_port(), free_port(), dict(os.environ))
    text = f"audit_syslog_port = {live.destination_port}\n"
    text += "".join(f'{name} = "{value}"\n' for name, value in lines.items())
    (home / "node.toml").write_text(text + _MODALITIES, encoding="utf-8")
    with live.running():
        yield Strict(live, authority, authority.issue("ct-1.example"))


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let each test clear away its own refused sockets."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def film(demo_folder: Path) -> DemoSample:
    rendered = demo_studies(demo_folder / "strict", seed=11)
    return next(s for s in rendered if s.expected is RunState.REPORTED and s.kind == "CXR")


@pytest.fixture(scope="module")
def study(strict: Strict, film: DemoSample) -> str:
    """Send the film under the right certificate and title; return its Study Instance UID."""
    (sent,) = StoreScu(strict.peer()).send(film.files)
    assert sent.stored
    return film.study_instance_uid


def test_the_right_certificate_and_title_get_in_and_the_study_is_reported(
    strict: Strict, study: str
) -> None:
    assert strict.node.final(study)["state"] == "REPORTED"


def test_a_collector_gets_the_trail_of_that_study(strict: Strict, study: str) -> None:
    strict.node.final(study)
    context = strict.authority.server(strict.authority.issue("127.0.0.1"))
    with Collector(context, strict.node.destination_port) as collector:
        for attempt in eventually():
            with attempt:
                told = [text for text in collector.lines if study in text]
                if not any("study.open" in text for text in told):
                    raise NotYetError(strict.node.logs())
    assert any("run.reported" in text for text in told)
    assert ids(collector.lines)  # each valid
    verdict = json.loads(strict.node.run("audit", "verify", "--json").stdout)
    assert verdict["fault"] is None
    assert verdict["forwarded"] > 0


def test_dcmtk_gets_in_over_tls(strict: Strict, film: DemoSample) -> None:
    command = [
        dcmtk("storescu"), "-aet", _STATION, "-aec", "AITRIAGE", "+tls",
        str(strict.mine.key), str(strict.mine.certificate),
        "+cf", str(strict.authority.file), "127.0.0.1", str(strict.node.dicom_port),
        *map(str, film.files),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_send_gets_in_with_the_nodes_own_certificate(strict: Strict, film: DemoSample) -> None:
    done = strict.node.run("send", str(film.files[0]), "--calling-ae", _STATION)
    assert "1 of 1 files stored" in done.stdout
    for attempt in eventually():
        with attempt:
            done = strict.node.run("send", str(film.files[0]), check=False)
            assert done.returncode == 1
            if "does not accept an association" not in done.stderr:
                raise NotYetError(f"no answer at all, the machine is busy: {done.stderr}")


@pytest.mark.parametrize(
    ("calling", "called", "source", "diagnostic"),
    [
        ("CT-2", "AITRIAGE", "127.0.0.1", "Calling AE title not recognised"),
        (_STATION, "OTHER", "127.0.0.1", "Called AE title not recognised"),
        (_STATION, "AITRIAGE", "127.0.0.9", "Calling AE title not recognised"),
    ],
    ids=["wrong calling AE", "wrong called AE", "wrong address"],
)
def test_wrong_title_or_address_is_rejected_by_the_association(
    strict: Strict, calling: str, called: str, source: str, diagnostic: str
) -> None:
    for attempt in eventually():
        with attempt:
            association = associate(strict, calling, called, source)
            if not association.is_rejected and not association.is_established:
                raise NotYetError("no answer at all: the machine is busy")
    assert not association.is_established
    answer = association.acceptor.primitive
    assert answer is not None
    assert answer.reason_str == diagnostic


def test_a_modality_may_do_no_more_than_its_entry_says(strict: Strict, film: DemoSample) -> None:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = film.study_instance_uid
    model = StudyRootQueryRetrieveInformationModelFind
    reader = associate(strict, _READER)
    found = [status.Status for status, _ in reader.send_c_find(query, model)]
    reader.release()
    assert found[-1] == 0x0000
    station = associate(strict, _STATION)
    refused = [status for status, _ in station.send_c_find(query, model)]
    station.release()
    assert "Status" not in refused[-1] or refused[-1].Status >= 0xA000
    (sent,) = StoreScu(strict.peer(_READER)).send(film.files)
    assert not sent.stored


def associate(
    strict: Strict, calling: str, called: str = "AITRIAGE", source: str = "127.0.0.1"
) -> Association:
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    entity.add_requested_context(Verification)
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    return entity.associate(
        "127.0.0.1",
        strict.node.dicom_port,
        ae_title=called,
        bind_address=(source, 0),
        tls_args=(strict.context(), "127.0.0.1"),
    )


def refused_by_tls(context: ssl.SSLContext, port: int) -> str:
    """Return how the node ends the connection before any DICOM is spoken."""
    with socket.create_connection(("127.0.0.1", port), 60) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                # TLS 1.3 tells a client only after its handshake what the server thinks of it.
                secure.sendall(b"\x01\x00\x00\x00\x00\x44")
                return "closed" if secure.recv(1) == b"" else "let in"
        except ssl.SSLError as exc:
            return exc.reason or type(exc).__name__
        except OSError as exc:
            return type(exc).__name__


def test_certificate_of_another_authority_is_refused_by_tls(strict: Strict, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other").issue("ct-1.example")
    context = tls_context(strict.authority.file, other.certificate, other.key)
    assert context is not None
    told = refused_by_tls(context, strict.node.dicom_port)
    assert told in {"TLSV1_ALERT_UNKNOWN_CA", *_CUT_OFF}


def test_no_certificate_is_refused_by_tls(strict: Strict) -> None:
    context = tls_context(strict.authority.file, None, None)
    assert context is not None
    told = refused_by_tls(context, strict.node.dicom_port)
    reasons = {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"}
    assert told in reasons | _CUT_OFF


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused_by_tls(strict: Strict, version: ssl.TLSVersion) -> None:
    context = strict.context()
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is the node that says no
    context.minimum_version = context.maximum_version = version
    told = refused_by_tls(context, strict.node.dicom_port)
    assert told in {"TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"} | _CUT_OFF


def test_a_present_version_is_spoken(strict: Strict) -> None:
    with (
        socket.create_connection(("127.0.0.1", strict.node.dicom_port), 10) as plain,
        strict.context().wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.version() in {"TLSv1.2", "TLSv1.3"}


def test_plain_dicom_is_refused(strict: Strict) -> None:
    command = [dcmtk("echoscu"), "-v", "-aet", _STATION, "-aec", "AITRIAGE", "127.0.0.1"]
    done = subprocess.run(
        [*command, str(strict.node.dicom_port)],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "Association Accepted" not in done.stdout + done.stderr


def test_our_side_refuses_a_node_under_another_name(strict: Strict) -> None:
    peer = replace(strict.peer(), server_name="elsewhere.example")
    with pytest.raises(Exception, match="certificates of both sides"):
        StoreScu(peer).echo()
