"""How a run is asked for and handed over."""

from typing import Protocol

from dicom_node.domain import RunTicket, Trigger, Urgency


class Queue(Protocol):
    """The broker, as admission sees it (`dicom_node.intake.dispatch`)."""

    def enqueue(self, run_id: str, urgency: Urgency) -> None:
        """Hand a run's id to the workers, more urgent ones first; raises QueueUnavailable."""
        ...

    def held(self) -> int:
        """Return how many runs' messages no worker has taken yet; raises QueueUnavailable."""
        ...


class Admission(Protocol):
    """Asking for a run, as the API sees it (`dicom_node.intake.admission`)."""

    def admit(
        self, study_instance_uid: str, *, trigger: Trigger, actor: str, force: bool = False
    ) -> RunTicket:
        """Ask for a run at once because a person wants it.

        Raises StudyNotFound, StudyRefused (the refusal is in the worklist), ArchiveUnavailable,
        and QueueUnavailable, after which the run stands and is handed over by itself.
        """
        ...
