"""The node as an SCU: C-ECHO and C-STORE by pynetdicom (PS3.4 A, B)."""

import socket
import ssl
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from dicom_node.archive.transcode import fitting, proposed
from dicom_node.destination import DestinationSettings
from dicom_node.errors import DeliveryFailed, SettingsError, StoreRejected

_SUCCESS = 0x0000
_WARNINGS = range(0xB000, 0xC000)
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_MOST_CONTEXTS = 128
_NO_ANSWER = "the peer ended the association on this file, or did not answer"
_CHANCES = 2
"""Storing twice is harmless, and pynetdicom 3.0 can lose an answer: its reactor may take it in the
moment between two messages, when it is believed to pause."""
_UNREADABLE = (InvalidDicomError, AttributeError, EOFError, OSError, RecursionError, ValueError)


@dataclass(frozen=True, slots=True)
class Peer:
    """A storage SCP and how to call it; its certificate is for ``server_name``, or for ``host``."""

    host: str
    port: int
    called_ae: str
    calling_ae: str = "DICOM-NODE"
    timeout_s: float = 30.0
    tls: ssl.SSLContext | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of one file: a DIMSE status, or None where it never left."""

    path: Path
    status: int | None
    message: str

    @property
    def stored(self) -> bool:
        """Whether the SCP has taken the file."""
        return self.status is not None and (self.status == _SUCCESS or self.status in _WARNINGS)


class StoreScu:
    """Sends DICOM files over one association, each in its transfer syntax or one the peer takes."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def echo(self) -> None:
        """Verify the peer; raises DeliveryFailed."""
        entity = self._entity()
        entity.add_requested_context(Verification)
        association = self._associate(entity)
        try:
            status = association.send_c_echo()
        finally:
            association.release()
        if "Status" not in status:
            raise DeliveryFailed(f"{self._name} gave no answer to C-ECHO")

    def send(self, files: Iterable[Path]) -> Iterator[SendOutcome]:
        """Send each file and tell what became of it; raises DeliveryFailed without a peer."""
        sendable: list[tuple[Path, str, str]] = []
        for path in files:
            try:
                meta = dcmread(path, specific_tags=[], stop_before_pixels=True).file_meta
                syntax = meta.get("TransferSyntaxUID", ImplicitVRLittleEndian)
                sendable.append((path, meta.MediaStorageSOPClassUID, syntax))
            except _UNREADABLE as exc:
                yield SendOutcome(path, None, f"not a DICOM file: {type(exc).__name__}")
        for batch in _batches(sendable):
            yield from self._send_batch(batch)

    def _send_batch(self, batch: list[tuple[Path, str, str]]) -> Iterator[SendOutcome]:
        entity = self._entity()
        pairs = sorted({pair for _, *one in batch for pair in _contexts(*one)})
        entity.requested_contexts = [build_context(*pair) for pair in pairs]
        association = self._associate(entity)
        try:
            for path, _, _ in batch:
                for _ in range(_CHANCES):
                    if not association.is_established:  # the peer gave up on a file
                        association = self._associate(entity)
                    outcome = _send_one(association, path)
                    if outcome.message != _NO_ANSWER:
                        break
                    association.abort()
                yield outcome
        finally:
            association.release()

    def _associate(self, entity: AE) -> Association:
        peer = self._peer
        association = entity.associate(
            peer.host,
            peer.port,
            ae_title=peer.called_ae,
            evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
            tls_args=(peer.tls, peer.server_name or peer.host) if peer.tls else None,
        )
        if not association.is_established:
            raise DeliveryFailed(
                f"{self._name} does not accept an association; check host, port, AE titles"
                + (" and the certificates of both sides" if peer.tls else "")
            )
        return association

    def _entity(self) -> AE:
        entity = AE(self._peer.calling_ae)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._peer.timeout_s
        entity.connection_timeout = self._peer.timeout_s
        return entity

    @property
    def _name(self) -> str:
        return f"{self._peer.called_ae} at {self._peer.host}:{self._peer.port}"


def _send_at_once(event: Event) -> None:
    """Switch Nagle's algorithm off: with delayed acknowledgements it costs 40 ms an instance."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _send_one(association: Association, path: Path) -> SendOutcome:
    with warnings.catch_warnings():  # odd values are the receiver's to judge
        warnings.filterwarnings("ignore", module="pydicom")
        return _store(association, path)


def _store(association: Association, path: Path) -> SendOutcome:
    try:
        dataset: Dataset = dcmread(path)
        if "SOPClassUID" not in dataset or "SOPInstanceUID" not in dataset:
            return SendOutcome(path, None, "the file names no SOP class or instance")
        dataset = fitting(dataset, _accepted(association, dataset.SOPClassUID))
        if len(dataset.get("PixelData", b"")) % 2:  # PS3.5 8.1.1; peers hang on an odd fragment
            dataset.PixelData += b"\0"
        status = association.send_c_store(dataset)
    except (*_UNREADABLE, RuntimeError) as exc:  # no accepted context, or a broken file
        return SendOutcome(path, None, str(exc).splitlines()[0])
    if "Status" not in status:
        return SendOutcome(path, None, _NO_ANSWER)
    return SendOutcome(
        path, status.Status, status.get("ErrorComment") or f"status 0x{status.Status:04X}"
    )


def _accepted(association: Association, sop_class: str) -> set[str]:
    """Return the transfer syntaxes in which the peer takes this SOP class."""
    return {
        str(context.transfer_syntax[0])
        for context in association.accepted_contexts
        if context.abstract_syntax == sop_class
    }


class DimseDestination:
    """A destination that takes results by C-STORE."""

    def __init__(self, settings: DestinationSettings, calling_ae: str) -> None:
        self._settings = settings
        self._calling_ae = calling_ae

    @property
    def name(self) -> str:
        """Return the configured name."""
        return self._settings.name

    def send(self, dicom_file: Path) -> None:
        """Send one file; raises DeliveryFailed (may pass) or StoreRejected (will not)."""
        where = self._settings
        scu = StoreScu(
            Peer(
                where.host,
                where.port,
                where.ae_title,
                self._calling_ae,
                where.timeout_s,
                tls_context(where.tls_ca_file, where.tls_certificate_file, where.tls_key_file),
                where.tls_server_name,
            )
        )
        for outcome in scu.send([dicom_file]):
            if outcome.stored:
                continue
            if outcome.status is None or outcome.status in _OUT_OF_RESOURCES:
                raise DeliveryFailed(f"{self.name} did not take the object: {_told(outcome)}")
            raise StoreRejected(f"{self.name} refused the object: {_told(outcome)}")


def _told(outcome: SendOutcome) -> str:
    """Say why, without the peer's Error Comment: it may name the patient, and this is logged."""
    return outcome.message if outcome.status is None else f"status 0x{outcome.status:04X}"


def tls_context(
    ca: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext | None:
    """Build the TLS context of a caller (PS3.15 B.9), or None for plain DICOM without a CA.

    The peer's certificate must come from ``ca`` and name the host that was called. Raises
    DeliveryFailed where a file cannot be used, SettingsError where there is a certificate to show
    and no CA: that is no TLS, and somebody believes it is.
    """
    if ca is None:
        if certificate is not None or key is not None:
            raise SettingsError("a certificate is shown over TLS alone, which needs a CA file too")
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as exc:  # ssl.SSLError is one
        raise DeliveryFailed(f"a file for DICOM over TLS cannot be used: {exc}") from exc
    return context


def _batches(files: list[tuple[Path, str, str]]) -> Iterator[list[tuple[Path, str, str]]]:
    """Cut the files where an association would need more than 128 presentation contexts."""
    batch: list[tuple[Path, str, str]] = []
    contexts: set[tuple[str, str]] = set()
    for path, sop_class, syntax in files:
        wanted = _contexts(sop_class, syntax)
        if len(contexts | wanted) > _MOST_CONTEXTS:
            yield batch
            batch, contexts = [], set()
        batch.append((path, sop_class, syntax))
        contexts |= wanted
    if batch:
        yield batch


def _contexts(sop_class: str, syntax: str) -> set[tuple[str, str]]:
    """Return the presentation contexts to propose for a file, one for each transfer syntax."""
    return {(sop_class, one) for one in proposed(syntax)}
