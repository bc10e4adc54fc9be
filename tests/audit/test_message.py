"""Entries of the trail as DICOM audit messages: valid under the grammar of PS3.15 A.5.1."""

import base64
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
