"""Storage commitment (PS3.4 J): a console that asks for it is told that this node commits nothing.

The node is no archive, and consoles delete what is committed. Orthanc 1.10.1 ends the association
instead of answering, and a console waits. So the relay answers: success for the request, and then,
on an association of its own to the address that the site gave for the caller, N-EVENT-REPORT: each
instance has failed.
"""

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from ssl import SSLContext
from typing import Final

from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential

from dicom_node import log
from dicom_node.archive.dimse import tls_context
from dicom_node.errors import DeliveryFailed
from dicom_node.relay.sender import Kept
from dicom_node.settings import ModalitySettings, Settings
from dicom_node.supervision.opening import has_tls

PROCESSING_FAILURE: Final = 0x0110
_SUCCESS: Final = 0x0000
_NO_SUCH_INSTANCE: Final = 0x0112
_INVALID_ARGUMENT: Final = 0x0115
_NO_SUCH_ACTION: Final = 0x0123
_NOT_AUTHORIZED: Final = 0x0124
_REQUEST: Final = 1
_FAILURES_EXIST: Final = 2
_ATTEMPTS: Final = 5
_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a caller asks to be committed: SOP class and instance UIDs (PS3.4 J.3.2)."""

    uid: str
    instances: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Commitments:
    """Who may ask, where each is told, and what is still to be told."""

    own_title: str
    callers: Mapping[str, ModalitySettings]
    tls: SSLContext | None = None
    _telling: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    def of(cls, settings: Settings) -> "Commitments":
        """Return the answers of a site; raises DeliveryFailed where its certificates fail."""
        tls = None
        if has_tls(settings):
            tls = tls_context(
                settings.dicom_tls_ca_file,
                settings.dicom_tls_certificate_file,
                settings.dicom_tls_key_file,
            )
            if tls is not None:  # a modality's certificate names its AE title, not its host
                tls.check_hostname = False
        callers = {one.ae_title.strip(): one for one in settings.modalities}
        return cls(settings.ae_title.strip(), callers, tls)

    def answer(self, title: str, kept: Kept) -> tuple[int, str]:
        """Return status and comment for a request; where it is success, the report follows."""
        if kept.command.sop_instance != StorageCommitmentPushModelInstance:
            return _NO_SUCH_INSTANCE, "storage commitment has one instance (PS3.4 J.3.5)"
        if kept.command.action != _REQUEST:
            return _NO_SUCH_ACTION, "storage commitment knows action 1 alone"
        caller = self.callers.get(title)
        if caller is None:
            return _NOT_AUTHORIZED, "no address is configured to report to; nothing is committed"
        transaction = requested(kept.data_set, kept.syntax)
        if transaction is None:
            return _INVALID_ARGUMENT, "no Transaction UID, or no instances"
        task = asyncio.create_task(self._tell(caller, transaction))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return _SUCCESS, ""

    async def _tell(self, caller: ModalitySettings, transaction: Transaction) -> None:
        count = len(transaction.instances)
        words = {"transaction_uid": transaction.uid, "caller": caller.name, "count": count}
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(DeliveryFailed),
                stop=stop_after_attempt(_ATTEMPTS),
                wait=wait_exponential(multiplier=1, max=60),
            ):
                with attempt:
                    await asyncio.to_thread(self.report, caller, transaction)
        except RetryError as exc:
            error = str(exc.last_attempt.exception())
            log.get().error("commitment.not_told", **words, error=error)
        else:
            log.get().info("commitment.refused", **words)

    def report(self, caller: ModalitySettings, transaction: Transaction) -> None:
        """Tell a caller that nothing is committed, on an association; raises DeliveryFailed."""
        entity = AE(self.own_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
        entity.connection_timeout = _TIMEOUT_S
        entity.add_requested_context(StorageCommitmentPushModel)
        host = str(caller.host)
        association = entity.associate(
            host,
            caller.port,
            ae_title=caller.ae_title.strip(),
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
            tls_args=(self.tls, host) if self.tls and caller.tls else None,
        )
        if not association.is_established:
            raise DeliveryFailed(f"{caller.name} accepts no association")
        try:
            status, _ = association.send_n_event_report(
                failures(transaction),
                _FAILURES_EXIST,
                StorageCommitmentPushModel,
                StorageCommitmentPushModelInstance,
            )
        except ValueError as exc:  # the caller has not accepted the presentation context
            raise DeliveryFailed(f"{caller.name} takes no N-EVENT-REPORT") from exc
        finally:
            association.release()
        if "Status" not in status:
            raise DeliveryFailed(f"{caller.name} gave no answer to N-EVENT-REPORT")


def requested(data_set: bytes, syntax: str) -> Transaction | None:
    """Read what is asked for (PS3.4 table J.3-1), None where it lacks what it must have."""
    implicit = syntax == ImplicitVRLittleEndian
    with warnings.catch_warnings(action="ignore"):
        try:
            read = read_dataset(BytesIO(data_set), implicit, UID(syntax).is_little_endian)
            references = read.ReferencedSOPSequence
            instances = [
                (str(one.ReferencedSOPClassUID), str(one.ReferencedSOPInstanceUID))
                for one in references
            ]
            transaction = Transaction(str(read.TransactionUID), instances)
        except (AttributeError, EOFError, NotImplementedError, TypeError, ValueError):
            return None
    uids = [transaction.uid, *(uid for pair in instances for uid in pair)]
    return transaction if instances and all(UID(uid).is_valid for uid in uids) else None


def failures(transaction: Transaction) -> Dataset:
    """Return the event information that fails each instance (PS3.4 table J.3-2)."""
    told = Dataset()
    told.TransactionUID = transaction.uid
    told.FailedSOPSequence = []
    for sop_class, sop_instance in transaction.instances:
        failed = Dataset()
        failed.ReferencedSOPClassUID = sop_class
        failed.ReferencedSOPInstanceUID = sop_instance
        failed.FailureReason = PROCESSING_FAILURE
        told.FailedSOPSequence.append(failed)
    return told
