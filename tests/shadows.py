"""A shadow that says what the test wants, and programs that stand for its process."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydicom import Dataset

from dicom_node import policy
from dicom_node.domain import (
    Claim,
    ModelIdentity,
    ReadingPair,
    Sample,
    ShadowAnswer,
    ShadowReading,
    StudyDetail,
    StudyKind,
    Trigger,
)
from dicom_node.intake.admission import Admission
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.ports import Runtime, ShadowReader
from dicom_node.report.registry import writers
from tests.archives import FileArchive
from tests.listings import ListedQueue
from tests.runtimes import ScriptedRuntime
from worker.pipeline import Attempt, Pipeline
from worker.shadow import Shadow

OURS = ModelIdentity("our-cxr", "0.2.0", "ef" * 32)
POLICY = policy.load().model_copy(update={"shadow": {StudyKind.CXR: OURS.name}})

RuntimeT = TypeVar("RuntimeT", bound=Runtime)
ReaderT = TypeVar("ReaderT", bound=ShadowReader)


@dataclass
class ScriptedReader:
    """Reads in the test's own process; ``before`` may raise."""

    says: tuple[float, ...] = (0.7, 0.1, 0.1, 0.1)
    before: Callable[[], None] = lambda: None
    seen: list[Sample] = field(default_factory=list)

    def identity(self, kind: StudyKind) -> ModelIdentity:
        """Be the same model for every kind."""
        del kind
        return OURS

    def read(self, kind: StudyKind, samples: Sequence[Sample]) -> ShadowAnswer:
        """Say of every sample what the test wants."""
        del kind
        model = ScriptedRuntime(identity=OURS, says=self.says, before=self.before)
        self.seen += samples
        return ShadowAnswer(tuple(model.predict(sample) for sample in samples), 12.5)


class ShadowBench(Generic[RuntimeT, ReaderT]):
    """A pipeline with a real ledger, and a shadow that is worked off when the test says so."""

    def __init__(self, folder: Path, image: Dataset, runtime: RuntimeT, reader: ReaderT) -> None:
        self.study = str(image.StudyInstanceUID)
        self.archive = FileArchive()
        self.ledger: Ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite3'}")
        self.runtime = runtime
        self.reader = reader
        self.shadow = Shadow(self.ledger.shadows, reader, POLICY)
        self.pipeline = Pipeline(
            archive=self.archive,
            ledger=self.ledger,
            runtime=runtime,
            writers=tuple(writers("TEST").values()),
            policy=POLICY,
            worker="worker-1",
            shadow=self.shadow,
        )
        self.archive.take(image)

    def claim(self, *, force: bool = False) -> Claim:
        """Ask for a run and claim it."""
        ledger, queue = self.ledger, ListedQueue()
        admission = Admission(self.archive, ledger.studies, ledger.runs, queue, POLICY)
        ticket = admission.admit(self.study, trigger=Trigger.COMMAND, actor="test", force=force)
        claim = self.pipeline.claim(ticket.run_id)
        assert claim is not None
        return claim

    def report(self, *, force: bool = False) -> StudyDetail:
        """Take a run to its end, and hand it to the shadow."""
        Attempt(self.pipeline, self.claim(force=force)).run()
        return self.detail()

    def detail(self) -> StudyDetail:
        """Return what the ledger shows of the study."""
        detail = self.ledger.queries.detail(self.study)
        assert detail is not None
        return detail

    def pair(self) -> ReadingPair:
        """Return both readings of the study."""
        (pair,) = self.ledger.shadows.pairs()
        return pair

    def reading(self) -> ShadowReading:
        """Return the shadow's."""
        return self.pair().shadow


_PROLOGUE = """
import os, signal, sys
from multiprocessing.connection import Connection
from pathlib import Path
from dicom_node.domain import ModelIdentity, ShadowAnswer
from models.catalogue import unfit
from worker.shadow_process import Ready
way = Connection(int(sys.argv[-1]))
orders = way.recv()
named = orders.shadow.items()
way.send(Ready(tuple(unfit(kind, ModelIdentity(name, "1", ""), "") for kind, name in named)))
job = way.recv()
"""
DIES = "os.kill(os.getpid(), signal.SIGSEGV)"
HANGS = "signal.pause()"
DIES_ONCE = """
mark = Path(sys.argv[1])
if not mark.exists():
    mark.touch()
    os.kill(os.getpid(), signal.SIGSEGV)
way.send(ShadowAnswer((), 1.0))
signal.pause()
"""


def program(deed: str, *arguments: str) -> tuple[str, ...]:
    """Return a program that loads nothing, takes one job, and then does ``deed``."""
    return (sys.executable, "-c", _PROLOGUE + deed, *arguments)
