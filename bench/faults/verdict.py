"""What must hold after every fault, looked up in the ledger, in Orthanc and at the PACS."""

import time
from dataclasses import dataclass

import httpx

from bench.faults.scene import Scene
from dicom_node.domain import RunState, StudyDetail, WorklistItem
from dicom_node.errors import NodeError
from tests.nodes import FINAL, NotYetError, eventually

_DONE = ("DELIVERED", "WITHDRAWN")
"""How a delivery may end: sent, or of a report that was superseded before it was sent."""


@dataclass(frozen=True)
class Ended:
    """How one study ended, and when all was well again (monotonic seconds)."""

    state: str
    reason: str
    at: float


def wait_for_end(scene: Scene, uid: str, deadline_s: float) -> Ended:
    """Wait until the study has ended, its copies are delivered and the node is well again.

    Raises NotYetError at the deadline, with what was still amiss.
    """
    for attempt in eventually(deadline_s):
        with attempt:
            detail = _ended(scene, uid)
    return Ended(detail.item.state.value, _why(detail.item), time.monotonic())


def _ended(scene: Scene, uid: str) -> StudyDetail:
    """Return the study where all is over and well; raise NotYetError with what is amiss."""
    detail = _detail(scene, uid)
    if detail is None or detail.item.state.value not in FINAL:
        raise NotYetError(f"the study is {detail.item.state if detail else 'unknown'}")
    waiting = [d.message or "not tried" for d in detail.deliveries if d.state == "PENDING"]
    if waiting:
        raise NotYetError(f"a delivery waits: {waiting[0]}")
    if amiss := scene.well():
        raise NotYetError(amiss)
    return detail


def _why(item: WorklistItem) -> str:
    if item.refusal is not None:
        return item.refusal.reason
    return "" if item.error is None else f"{item.error.stage}: {item.error.message}"


def promises(scene: Scene, uid: str) -> tuple[str, ...]:
    """Return each promise that is broken for this study, or why that cannot be told."""
    try:
        return _broken(scene, uid)
    except (NotYetError, httpx.HTTPError) as exc:
        return (f"cannot be judged: {exc}",)


def _broken(scene: Scene, uid: str) -> tuple[str, ...]:
    detail = _detail(scene, uid)
    if detail is None:
        return ("lost: the ledger does not know the study",)
    broken = []
    state = detail.item.state
    if state.value not in FINAL:
        broken.append(f"stuck: {state}")
    if state is RunState.FAILED and not (detail.item.error and detail.item.error.message):
        broken.append("FAILED without a reason")
    if state is RunState.REFUSED and not (detail.item.refusal and detail.item.refusal.reason):
        broken.append("REFUSED without a reason")
    live = [run for run in detail.runs if run.state in {RunState.QUEUED, RunState.RUNNING}]
    if live:
        broken.append(f"stuck: a run is {live[0].state}")
    reported = [run for run in detail.runs if run.state is RunState.REPORTED]
    if len(reported) > 1:
        broken.append(f"duplicate: {len(reported)} runs are REPORTED")
    return (*broken, *_in_orthanc(scene, uid, detail), *_at_pacs(scene, detail))


def _in_orthanc(scene: Scene, uid: str, detail: StudyDetail) -> list[str]:
    """Look at what Orthanc holds of the study: each object that the ledger names, stored once.

    A run that was stored and ended FAILED before it was confirmed leaves its objects there, which
    the next report replaces (docs/faults.md); nothing else may.
    """
    failed = detail.item.state is RunState.FAILED
    broken = []
    if detail.item.state is RunState.REPORTED and len(detail.reports) != 1:
        kind = "duplicate" if detail.reports else "lost"
        broken.append(f"{kind}: the ledger names {len(detail.reports)} reports")
    for word, modality, named in (
        ("SR", "SR", detail.reports),
        ("heatmap", "OT", detail.heatmaps),
    ):
        held = scene.node.held(uid, modality)
        promised = {ref.sop_instance_uid for ref in named}
        if missing := promised - set(held):
            broken.append(f"lost: {len(missing)} {word} is not in Orthanc")
        left_behind = set(held) - promised
        if len(left_behind) > (failed and not promised) or len(set(held)) != len(held):
            broken.append(f"duplicate: Orthanc holds {len(held)} objects of the kind {word}")
        for one in held:
            if (copies := len(scene.node.lookup(one, "Instance"))) > 1:
                broken.append(f"duplicate: Orthanc holds one {word} {copies} times")
    return broken


def _at_pacs(scene: Scene, detail: StudyDetail) -> list[str]:
    uid = detail.item.study_instance_uid
    got = {ds.SOPInstanceUID for ds in list(scene.pacs.received) if ds.StudyInstanceUID == uid}
    promised = {report.sop_instance_uid for report in detail.reports}
    broken = []
    if undelivered := [d.state for d in detail.deliveries if d.state not in _DONE]:
        broken.append(f"lost: a delivery is {undelivered[0]}")
    if promised - got:
        broken.append("lost: the PACS has no copy of the report")
    if len(got) > 1:
        broken.append(f"duplicate: the PACS has {len(got)} reports")
    return broken


def _detail(scene: Scene, uid: str) -> StudyDetail | None:
    try:
        return scene.ledger.queries.detail(uid)
    except NodeError as exc:  # locked, or on a full disk: that is the fault's doing
        raise NotYetError(str(exc)) from exc
