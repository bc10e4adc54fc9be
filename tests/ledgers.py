"""Values and a clock for tests of the ledger and of what reads it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TypeVar

from argon2 import PasswordHasher

from dicom_node import codes
from dicom_node.domain import (
    Box,
    Claim,
    Failure,
    Finding,
    InstanceRef,
    ModelIdentity,
    ObjectRef,
    Presence,
    Priority,
    Region,
    Role,
    RunRequest,
    ShadowReading,
    ShadowState,
    Stage,
    Statement,
    StudyKind,
    StudyRef,
    TriageResult,
    Trigger,
)
from dicom_node.ledger import Ledger

STUDY = "1.2.826.0.1.3680043.8.498.1"
MODEL = ModelIdentity("cxr-lite", "1.0.0", "ab" * 32)
OTHER_MODEL = ModelIdentity("cxr-lite", "2.0.0", "cd" * 32)
PATIENT_NAME = "SECRET^PATIENT"
PATIENT_ID = "SECRET-ID"
_SR = "1.2.840.10008.5.1.4.1.1.88.34"
_SC = "1.2.840.10008.5.1.4.1.1.7"


THREADS = 8
T = TypeVar("T")


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        """Move on."""
        self.time += timedelta(seconds=seconds)


def add_user(ledger: Ledger, name: str, role: Role) -> tuple[str, str]:
    """Add a user; return his name and password, as HTTP clients take them."""
    password = f"{name} knows this word"
    # As weak as argon2 gets: the tests check who gets in, not how long an attacker takes.
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    ledger.users.add(name, role, hasher.hash(password))
    return name, password


def viewer_url(study_instance_uid: str) -> str:
    """Stand for Settings.viewer_url."""
    return f"http://node/ohif/viewer?StudyInstanceUIDs={study_instance_uid}"


def study(uid: str = STUDY) -> StudyRef:
    return StudyRef(uid, "orthanc-id", PATIENT_ID, PATIENT_NAME, "ACC1", "Chest")


def wish(
    digest: str = "images-1",
    *,
    uid: str = STUDY,
    model: ModelIdentity | None = MODEL,
    trigger: Trigger = Trigger.STABLE,
    force: bool = False,
) -> RunRequest:
    return RunRequest(
        study_instance_uid=uid,
        kind=StudyKind.CXR,
        archive_digest=digest,
        model=model,
        policy_hash="policy-1",
        patient_id=PATIENT_ID,
        trigger=trigger,
        actor="node",
        force=force,
    )


def finding(
    label: str = "covid19",
    probability: float = 0.87,
    presence: Presence = Presence.PRESENT,
    threshold: float = 0.5,
) -> Finding:
    region = Region("1.2.3.4", Box(0.0, 0.5, 10.25, 20.0))
    return Finding(label, codes.FINDINGS[label], probability, threshold, presence, region)


def result(
    uid: str = STUDY, identity: str = "identity-1", priority: Priority = Priority.STAT
) -> TriageResult:
    return TriageResult(
        run_identity=identity,
        study_instance_uid=uid,
        kind=StudyKind.CXR,
        model=MODEL,
        policy_hash="policy-1",
        findings=(finding(), finding("normal", 0.1, Presence.ABSENT)),
        priority=priority,
        priority_reason="covid19 present (87 %, threshold 50 %)",
        evidence=(InstanceRef("1.2.3.4", "1.2.840.10008.5.1.4.1.1.1", "1.2.3"),),
        completed_at=datetime(2026, 3, 1, 8, 0, 1, 234567, tzinfo=UTC),
    )


def shadowed(
    model: ModelIdentity = OTHER_MODEL, covid19: float = 0.41, elapsed_ms: float = 36.5
) -> ShadowReading:
    """A shadow's reading of what `result` reports."""
    presence = Presence.PRESENT if covid19 >= 0.5 else Presence.ABSENT
    return ShadowReading(
        model=model,
        state=ShadowState.READ,
        statements=(
            Statement("covid19", covid19, 0.5, presence),
            Statement("normal", 1 - covid19, 0.5, Presence.UNDETERMINED),
        ),
        priority=Priority.LOW,
        elapsed_ms=elapsed_ms,
    )


def objects(tag: str = "1") -> tuple[tuple[str, ObjectRef], ...]:
    return (
        ("sr", ObjectRef(_SR, f"2.25.{tag}1", f"2.25.{tag}9001")),
        ("heatmap", ObjectRef(_SC, f"2.25.{tag}2", f"2.25.{tag}9004")),
    )


def start(ledger: Ledger, digest: str = "images-1", uid: str = STUDY) -> Claim:
    """Record a study, ask for a run and claim it."""
    ledger.studies.record(study(uid), "CR")
    ticket = ledger.runs.request(wish(digest, uid=uid))
    claim = ledger.runs.claim(ticket.run_id, "worker-1", 60)
    assert claim is not None
    return claim


def finish(
    ledger: Ledger,
    claim: Claim,
    identity: str = "identity-1",
    priority: Priority = Priority.STAT,
) -> None:
    """Take a claimed run to REPORTED; its objects are named after the run's number."""
    assert ledger.runs.identify(claim, identity, f"input of {identity}", MODEL)
    ledger.runs.save_result(claim, result(claim.study_instance_uid, identity, priority))
    ledger.runs.reported(claim, objects(str(claim.number)))


def report(
    ledger: Ledger,
    digest: str = "images-1",
    uid: str = STUDY,
    priority: Priority = Priority.STAT,
) -> Claim:
    """Bring a study to REPORTED."""
    claim = start(ledger, digest, uid)
    finish(ledger, claim, f"identity of {digest}", priority)
    return claim


def at_once(task: Callable[[int], T], count: int = THREADS) -> list[T]:
    """Run ``task(0) … task(count - 1)``, all starting at the same moment."""
    barrier = Barrier(count, timeout=30)

    def wait_and_run(number: int) -> T:
        barrier.wait()
        return task(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_run, range(count)))


def fill(ledger: Ledger) -> None:
    """Put four studies in: one that waits, a LOW and a STAT report, one that failed."""
    ledger.studies.record(study("1.2.1"), "CT")
    for number, priority in enumerate((Priority.LOW, Priority.STAT), 2):
        report(ledger, uid=f"1.2.{number}", priority=priority)
    ledger.runs.failed(start(ledger, uid="1.2.4"), Failure(Stage.INFER, "raised"), None)
