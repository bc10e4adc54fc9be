"""Fakes of ports, with the behaviour that their docstrings promise and no more."""

from collections.abc import Sequence

from dicom_node.domain import Entry, Level, MatchingKey, RunTicket, Trigger
from dicom_node.errors import NodeError, StudyNotFound
from dicom_node.ledger import Ledger
from tests.ledgers import wish


class FakeAdmission:
    """Admits any study that the ledger has recorded; ``digest`` stands for its images."""

    def __init__(self, ledger: Ledger) -> None:
        self.digest = "images-1"
        self.error: NodeError | None = None
        self.actors: list[str] = []
        self._ledger = ledger

    def admit(
        self, study_instance_uid: str, *, trigger: Trigger, actor: str, force: bool = False
    ) -> RunTicket:
        self.actors.append(actor)
        ticket = self._ledger.runs.request(
            wish(self.digest, uid=study_instance_uid, trigger=trigger, force=force)
        )
        if self.error is not None:
            raise self.error
        return ticket


class KnowingAdmission(FakeAdmission):
    """Turns away what its ledger does not know, as the real one what the archive does not hold."""

    def admit(
        self, study_instance_uid: str, *, trigger: Trigger, actor: str, force: bool = False
    ) -> RunTicket:
        if self._ledger.queries.detail(study_instance_uid) is None:
            raise StudyNotFound("the archive does not hold the study")
        return super().admit(study_instance_uid, trigger=trigger, actor=actor, force=force)


class FakeCatalogue:
    """Finds each of ``studies`` whatever the keys; remembers what it was asked."""

    def __init__(self) -> None:
        self.studies: list[str] = []
        self.keys: Sequence[MatchingKey] = ()
        self.fields: Sequence[str] = ()

    def matching(
        self, keys: Sequence[MatchingKey], level: Level = Level.STUDY, most: int = 0
    ) -> tuple[str, ...]:
        del level, most
        self.keys = keys
        return tuple(self.studies)

    def described(
        self,
        wanted: Sequence[str],
        fields: Sequence[str],
        level: Level = Level.STUDY,
        origin: str = "",
    ) -> tuple[Entry, ...]:
        del level, origin
        self.fields = fields
        return tuple(Entry(uid, {"0020000D": {"vr": "UI", "Value": [uid]}}) for uid in wanted)

    def studies_of(self, orthanc_ids: Sequence[str]) -> tuple[str, ...]:
        return tuple(orthanc_ids)
