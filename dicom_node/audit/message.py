"""An entry of the trail as a DICOM audit message (PS3.15 A.5, the XML of RFC 3881)."""

import base64
from datetime import UTC
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # writes XML, reads none

from dicom_node.audit import events
from dicom_node.codes import Code
from dicom_node.domain import NODES_OWN, AuditEntry

_APPLICATION_SERVER: Final = "4"
_MACHINE_NAME: Final = "1"
_SYSTEM_OBJECT: Final = "2"
_REPORT: Final = "3"
_NODE: Final = "dicom-node"


def xml(entry: AuditEntry, ae_title: str, host: str) -> str:
    """Return the message, without an XML declaration.

    Whatever characters a name or a detail holds, the result is well-formed: those that XML
    cannot hold are replaced. No patient is named: the study UID leads to him.
    """
    event = events.event_of(entry.action)
    root = Element("AuditMessage")
    identification = SubElement(
        root,
        "EventIdentification",
        EventActionCode=event.deed.value,
        EventDateTime=entry.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=event.outcome.value,
    )
    _coded(identification, "EventID", event.event_id)
    if event.kind is not None:
        _coded(identification, "EventTypeCode", event.kind)
    own = Code(entry.action, events.OWN_SCHEME, entry.action)
    _coded(identification, "EventTypeCode", own)
    if event.outcome is not events.Outcome.SUCCESS and entry.detail:
        SubElement(identification, "EventOutcomeDescription").text = _fit(entry.detail)
    _participants(root, entry, ae_title, host)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=_fit(f"{ae_title}@{host}"))
    SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    _objects(root, entry)
    return tostring(root, encoding="unicode")


def _participants(root: Element, entry: AuditEntry, ae_title: str, host: str) -> None:
    """Name the application and, where one acted, the person."""
    by_itself = _is_the_node(entry.actor)
    application = SubElement(
        root,
        "ActiveParticipant",
        UserID=_fit(entry.actor if by_itself else _NODE),
        AlternativeUserID=_fit(f"AETITLES={ae_title}"),
        UserIsRequestor=str(by_itself).lower(),
        NetworkAccessPointID=_fit(host),
        NetworkAccessPointTypeCode=_MACHINE_NAME,
    )
    _coded(application, "RoleIDCode", events.APPLICATION)
    if not by_itself:
        SubElement(root, "ActiveParticipant", UserID=_fit(entry.actor), UserIsRequestor="true")


def _is_the_node(actor: str) -> bool:
    """Tell a process of the node, such as ``node`` or a worker's ``host:pid``, from a person."""
    _, colon, pid = actor.rpartition(":")
    return actor in NODES_OWN or bool(colon and pid.isdecimal())


def _objects(root: Element, entry: AuditEntry) -> None:
    """Name the study, and give the rest of the entry, with its place in the chain."""
    study = entry.study_instance_uid
    attributes = {
        "ParticipantObjectID": _fit(study or str(entry.audit_id)),
        "ParticipantObjectTypeCode": _SYSTEM_OBJECT,
    }
    if study:
        attributes["ParticipantObjectTypeCodeRole"] = _REPORT
    about = SubElement(root, "ParticipantObjectIdentification", attributes)
    what = Code("audit-id", events.OWN_SCHEME, "Place in the audit trail")
    _coded(about, "ParticipantObjectIDTypeCode", events.STUDY_INSTANCE_UID if study else what)
    SubElement(about, "ParticipantObjectName").text = _fit(study or entry.action)
    for kind, value in (
        ("audit_id", str(entry.audit_id)),
        ("hash", entry.hash),
        ("run_id", entry.run_id or ""),
        ("detail", entry.detail),
    ):
        if value:
            encoded = base64.b64encode(value.encode()).decode()
            SubElement(about, "ParticipantObjectDetail", type=kind, value=encoded)


def _coded(parent: Element, tag: str, code: Code) -> None:
    SubElement(
        parent,
        tag,
        {
            "csd-code": _fit(code.value),
            "codeSystemName": code.scheme,
            "originalText": _fit(code.meaning),
        },
    )


def _fit(text: str) -> str:
    """Replace what XML 1.0 cannot hold (section 2.2, Char), and line breaks."""
    return "".join(c if c >= " " and c not in "\x7f\ufffe\uffff" else "\ufffd" for c in text)
