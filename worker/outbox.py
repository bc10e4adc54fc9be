"""Where encoded results lie until every destination has them, and who gets which."""

from dataclasses import dataclass
from pathlib import Path

from dicom_node.domain import ObjectRef
from dicom_node.ports import DeliveryBook


@dataclass(frozen=True, slots=True)
class Outbox:
    """A folder of DICOM files, and the names of the objects that each destination wants."""

    folder: Path
    destinations: tuple[tuple[str, frozenset[str]], ...] = ()

    def post(
        self, book: DeliveryBook, run_id: str, name: str, ref: ObjectRef, content: bytes
    ) -> None:
        """Keep the object and plan its deliveries; posting it twice is harmless."""
        wanted = [destination for destination, objects in self.destinations if name in objects]
        if not wanted:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{ref.sop_instance_uid}.dcm"
        file.write_bytes(content)
        for destination in wanted:
            book.plan(run_id, destination, ref.sop_instance_uid, str(file))
