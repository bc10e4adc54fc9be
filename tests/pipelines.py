"""A pipeline on a real ledger, with files in memory and a model that says what a test wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dicom_node import policy
from dicom_node.domain import Claim, StudyDetail, Trigger
from dicom_node.intake.admission import Admission
from dicom_node.ledger import Ledger, open_ledger
from dicom_node.policy import Policy
from dicom_node.report.registry import writers
from tests.archives import FileArchive
from tests.builders import Film
from tests.ledgers import Clock
from tests.listings import ListedQueue
from tests.runtimes import ScriptedRuntime
from worker.pipeline import Attempt, Pipeline

FILM = Film(name="pipeline", rows=256, columns=224)
POLICY = policy.load()


@dataclass
class Bench:
    """Everything around one study, a film."""

    archive: FileArchive
    ledger: Ledger
    runtime: ScriptedRuntime
    pipeline: Pipeline
    admission: Admission
    clock: Clock

    @property
    def study(self) -> str:
        """Return the film's study."""
        return str(FILM.build().StudyInstanceUID)

    def admit(self, *, force: bool = False) -> str:
        """Ask for a run as a person does; return its id."""
        return self.admission.admit(
            self.study, trigger=Trigger.COMMAND, actor="test", force=force
        ).run_id

    def claim(self, run_id: str) -> Claim:
        """Take a run."""
        claim = self.pipeline.claim(run_id)
        assert claim is not None
        return claim

    def run(self, *, force: bool = False) -> StudyDetail:
        """Ask for a run and take it to its end."""
        Attempt(self.pipeline, self.claim(self.admit(force=force))).run()
        return self.detail()

    def arrive(self) -> StudyDetail:
        """Let intake see the study, and a worker read it where intake asks for that."""
        ticket = self.admission.consider(self.study, Trigger.STABLE)
        if ticket is not None and ticket.created:
            Attempt(self.pipeline, self.claim(ticket.run_id)).run()
        return self.detail()

    def detail(self) -> StudyDetail:
        """Return what the ledger says of the study."""
        detail = self.ledger.queries.detail(self.study)
        assert detail is not None
        return detail


@contextmanager
def opened(folder: Path, rules: Policy = POLICY) -> Iterator[Bench]:
    """Open a ledger in ``folder`` and put the film into the archive."""
    clock = Clock()
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite3'}", clock=clock)
    archive, runtime = FileArchive(), ScriptedRuntime()
    pipeline = Pipeline(
        archive=archive,
        ledger=ledger,
        runtime=runtime,
        writers=tuple(writers("TEST").values()),
        policy=rules,
        worker="worker-1",
    )
    admission = Admission(archive, ledger.studies, ledger.runs, ListedQueue(), rules)
    ledger.deliveries.want({"pacs": {"sr"}})
    archive.take(FILM.build())
    yield Bench(archive, ledger, runtime, pipeline, admission, clock)
    ledger.close()
