"""Entries of the trail as DICOM audit messages: valid under the grammar of PS3.15 A.5.1."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydicom.sr.codedict import codes

from dicom_node.audit import events, message
from dicom_node.audit.syslog import frame, line
from dicom_node.codes import Code
from dicom_node.domain import AuditEntry
from tests.collectors import GRAMMAR

AT = datetime(2026, 3, 1, 8, 0, 0, 123456, UTC)


def entry(
    action: str = "study.open",
    actor: str = "dr.who",
    detail: str = "",
    study: str | None = "1.2.3",
) -> AuditEntry:
    return AuditEntry(AT, actor, action, study, None, detail, 7, "0" * 64, "ab" * 32)


def told(one: AuditEntry) -> etree._Element:
    """Return the message's tree; fails where the grammar does not know it."""
    tree = etree.fromstring(message.xml(one, "AITRIAGE", "node.example"))
    GRAMMAR.assertValid(tree)
    return tree


@pytest.mark.parametrize("action", [*events.EVENTS, "something.new"])
@pytest.mark.parametrize("actor", ["node", "host:12", "dr.who"])
@pytest.mark.parametrize("study", ["1.2.3", None])
def test_every_action_is_a_valid_message(action: str, actor: str, study: str | None) -> None:
    tree = told(entry(action, actor, "why", study))
    kinds = [code.get("csd-code") for code in tree.findall(".//EventTypeCode")]
    assert kinds[-1] == action
    requestors = tree.findall("ActiveParticipant[@UserIsRequestor='true']")
    assert [one.get("UserID") for one in requestors] == [actor]


@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.text(st.characters(codec="utf-8")),
    st.text(st.characters(codec="utf-8"), min_size=1),
)
def test_any_text_makes_a_valid_message(actor: str, detail: str, study: str) -> None:
    tree = told(entry("login.failed", actor, detail, study))
    pairs = {p.get("type"): p.get("value") for p in tree.iter("ParticipantObjectDetail")}
    assert base64.b64decode(pairs.get("detail") or "").decode() == detail


def test_user_of_the_site_is_named_by_his_subject_and_called_by_his_name() -> None:
    named = replace(entry(actor="https://login.example#a%7Cb"), actor_name="grace")
    (person,) = told(named).findall("ActiveParticipant[@UserIsRequestor='true']")
    assert (person.get("UserID"), person.get("UserName")) == (named.actor, "grace")


def test_message_says_who_saw_what_and_when() -> None:
    tree = told(entry())
    event = tree.find("EventIdentification")
    assert event is not None
    assert {name: event.get(name) for name in event.keys()} == {  # noqa: SIM118  # no mapping
        "EventActionCode": "R",
        "EventDateTime": "2026-03-01T08:00:00.123+00:00",
        "EventOutcomeIndicator": "0",
    }
    assert event[0].get("csd-code") == "110103"
    about = tree.find("ParticipantObjectIdentification")
    assert about is not None
    assert about.get("ParticipantObjectID") == "1.2.3"
    pairs = {p.get("type"): p.get("value") or "" for p in about.iter("ParticipantObjectDetail")}
    assert base64.b64decode(pairs["hash"]).decode() == "ab" * 32


def parts(tree: etree._Element) -> list[tuple[str | None, str | None, list[str | None]]]:
    """Return each participant: who, whether he asked for it, in which roles."""
    return [
        (
            one.get("UserID"),
            one.get("UserIsRequestor"),
            [role.get("csd-code") for role in one.findall("RoleIDCode")],
        )
        for one in tree.findall("ActiveParticipant")
    ]


def test_delivery_names_source_and_destination() -> None:
    tree = told(entry("report.deliver", "node", "2.25.1 to pacs"))
    assert parts(tree) == [("node", "true", ["110153"]), ("pacs", "false", ["110152"])]


def test_export_names_process_person_and_medium() -> None:
    tree = told(entry("study.export", "ada (command line) as x:12"))
    who = [(requestor, roles) for _, requestor, roles in parts(tree)]
    assert who == [("false", ["110153"]), ("true", ["110153"]), ("false", ["110154"])]
    assert [one.get("csd-code") for one in tree.iter("MediaType")] == ["110037"]


def test_query_names_who_asks_who_answers_and_what_was_asked() -> None:
    tree = told(entry("worklist.open", study=None))
    assert parts(tree) == [("dicom-node", "false", ["110152"]), ("dr.who", "true", ["110153"])]
    assert base64.b64decode(tree.findtext(".//ParticipantObjectQuery") or "") == b"worklist.open"


def test_reading_the_trail_names_the_trail() -> None:
    about = told(entry("audit.read", study=None)).find("ParticipantObjectIdentification")
    assert about is not None
    assert about.get("ParticipantObjectTypeCodeRole") == "13"
    assert about[0].get("csd-code") == "12"
    assert about.get("ParticipantObjectID") == "dicom-node://node.example/audit"
    assert about.findtext("ParticipantObjectName") == "Security Audit Log"


@pytest.mark.parametrize("detail", ["eve as operator", ""])
def test_alert_says_of_which_node_and_what(detail: str) -> None:
    about = told(entry("user.add", detail=detail, study=None)).find(
        "ParticipantObjectIdentification"
    )
    assert about is not None
    assert about.get("ParticipantObjectID") == "AITRIAGE@node.example"
    assert about[0].get("csd-code") == "110182"
    first = about.find("ParticipantObjectDetail")
    assert first is not None
    assert first.get("type") == "Alert Description"
    assert base64.b64decode(first.get("value") or "").decode() == (detail or "user.add")


def test_start_names_who_started() -> None:
    assert [roles for *_, roles in parts(told(entry("node.start")))] == [["110150"], ["110151"]]


def test_failures_are_told_as_such() -> None:
    outcomes = [
        told(entry(action))[0].get("EventOutcomeIndicator")
        for action in ("login", "login.failed", "run.refused", "run.failed")
    ]
    assert outcomes == ["0", "4", "4", "8"]


def test_codes_are_those_of_the_standard() -> None:
    concepts = [getattr(codes.DCM, keyword) for keyword in codes.DCM.dir()]
    known = {concept.value: concept.meaning for concept in concepts}
    for code in (one for one in vars(events).values() if isinstance(one, Code)):
        assert known[code.value] == code.meaning


def test_syslog_line_and_frame() -> None:
    text = line(AT, "nœud 1", 42, "<é/>")
    assert text == "<85>1 2026-03-01T08:00:00.123Z nud1 dicom-node 42 DICOM+RFC3881 - \ufeff<é/>"
    content = frame(text)
    assert content == f"{len(text.encode())} ".encode() + text.encode()
