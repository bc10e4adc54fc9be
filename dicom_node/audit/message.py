"""An entry of the trail as a DICOM audit message (PS3.15 A.5, the XML of RFC 3881)."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # writes XML, reads none

from dicom_node.audit import events
from dicom_node.codes import OWN_SCHEME, Code
from dicom_node.domain import NODES_OWN, AuditEntry

_APPLICATION_SERVER: Final = "4"
_MACHINE_NAME: Final = "1"
_SYSTEM_OBJECT: Final = "2"
_REPORT: Final = "3"
_SECURITY_RESOURCE: Final = "13"
_NODE: Final = "dicom-node"
_FOLDER: Final = "a folder of the node's machine"
_PROCESS: Final = re.compile(r"\S+:[0-9]+")
_URI: Final = Code("12", "RFC-3881", "URI")


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
    own = Code(entry.action, OWN_SCHEME, entry.action)
    _coded(identification, "EventTypeCode", own)
    if event.outcome is not events.Outcome.SUCCESS and entry.detail:
        SubElement(identification, "EventOutcomeDescription").text = _fit(entry.detail)
    _participants(root, entry, ae_title, host)
    source = SubElement(root, "AuditSourceIdentification", AuditSourceID=_fit(f"{ae_title}@{host}"))
    SubElement(source, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    _objects(root, entry, ae_title, host)
    return tostring(root, encoding="unicode")


def _participants(root: Element, entry: AuditEntry, ae_title: str, host: str) -> None:
    """Name the application, the person who acted, if one did, and to whom data went."""
    event = events.event_of(entry.action)
    roles = events.roles_of(event)
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
    _coded(application, "RoleIDCode", roles.application)
    if not by_itself:
        attributes = {"UserID": _fit(entry.actor), "UserIsRequestor": "true"}
        if entry.actor_name:
            attributes["UserName"] = _fit(entry.actor_name)
        person = SubElement(root, "ActiveParticipant", attributes)
        if roles.person is not None:
            _coded(person, "RoleIDCode", roles.person)
    if roles.receiver is not None:
        is_export = event.event_id == events.EXPORT
        name = _FOLDER if is_export else entry.detail.rpartition(" to ")[2] or "unknown"
        attributes = {"UserID": _fit(name), "UserIsRequestor": "false"}
        receiver = SubElement(root, "ActiveParticipant", attributes)
        _coded(receiver, "RoleIDCode", roles.receiver)
        if is_export:
            _coded(SubElement(receiver, "MediaIdentifier"), "MediaType", events.FILES)


def _is_the_node(actor: str) -> bool:
    """Tell a process of the node, such as ``node`` or a worker's ``host:pid``, from a person."""
    return actor in NODES_OWN or _PROCESS.fullmatch(actor) is not None


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an event is about: ParticipantObjectID and what says of which kind it is."""

    identifier: str
    kind: Code
    name: str
    role: str | None = None


def _subject(entry: AuditEntry, ae_title: str, host: str) -> _Subject:
    event_id = events.event_of(entry.action).event_id
    if event_id == events.AUDIT_LOG_USED:
        uri = f"dicom-node://{quote(host)}/audit"
        return _Subject(uri, _URI, "Security Audit Log", _SECURITY_RESOURCE)
    if event_id == events.SECURITY_ALERT:
        node = f"{ae_title}@{host}"
        return _Subject(node, events.NODE_ID, entry.action, _SECURITY_RESOURCE)
    if event_id == events.QUERY:
        kind = Code("query", OWN_SCHEME, "A list of the node's own")
        return _Subject(entry.action, kind, entry.action, _REPORT)
    if study := entry.study_instance_uid:
        return _Subject(study, events.STUDY_INSTANCE_UID, study, _REPORT)
    kind = Code("audit-id", OWN_SCHEME, "Place in the audit trail")
    return _Subject(str(entry.audit_id), kind, entry.action)


def _objects(root: Element, entry: AuditEntry, ae_title: str, host: str) -> None:
    """Name what the event is about, and give the rest of the entry, its place in the chain too."""
    event_id = events.event_of(entry.action).event_id
    subject = _subject(entry, ae_title, host)
    attributes = {
        "ParticipantObjectID": _fit(subject.identifier),
        "ParticipantObjectTypeCode": _SYSTEM_OBJECT,
    }
    if subject.role is not None:
        attributes["ParticipantObjectTypeCodeRole"] = subject.role
    about = SubElement(root, "ParticipantObjectIdentification", attributes)
    _coded(about, "ParticipantObjectIDTypeCode", subject.kind)
    if event_id == events.QUERY:  # the grammar has either
        SubElement(about, "ParticipantObjectQuery").text = _base64(subject.name)
    else:
        SubElement(about, "ParticipantObjectName").text = _fit(subject.name)
    study = entry.study_instance_uid or ""
    alert = entry.detail or entry.action if event_id == events.SECURITY_ALERT else ""
    for kind, value in (
        ("Alert Description", alert),
        ("audit_id", str(entry.audit_id)),
        ("hash", entry.hash),
        ("study", "" if subject.identifier == study else study),
        ("run_id", entry.run_id or ""),
        ("detail", entry.detail),
    ):
        if value:
            SubElement(about, "ParticipantObjectDetail", type=kind, value=_base64(value))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


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
