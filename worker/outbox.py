"""Where encoded results lie while a destination waits for them, and who gets which.

Nothing of a patient stays here: a file goes with its last delivery, one that was given up too. The
archive has the object.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from dicom_node.domain import ObjectRef
from dicom_node.errors import DeliveryFailed
from dicom_node.ports import DeliveryBook


@dataclass(frozen=True, slots=True)
class Outbox:
    """A folder of DICOM files, and the names of the objects that each destination wants."""

    folder: Path
    destinations: tuple[tuple[str, frozenset[str]], ...] = ()

    def post(
        self, book: DeliveryBook, run_id: str, name: str, ref: ObjectRef, content: bytes
    ) -> None:
        """Keep the object and plan its deliveries; posting it twice is harmless.

        Raises DeliveryFailed where the folder cannot be written, on a full disk for example.
        """
        wanted = [destination for destination, objects in self.destinations if name in objects]
        if not wanted:
            return
        file = self.folder / f"{ref.sop_instance_uid}.dcm"
        keep(file, content)
        if not book.plan(run_id, wanted, ref.sop_instance_uid, str(file)):
            file.unlink(missing_ok=True)  # a second attempt, after every delivery


def keep(file: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, whatever dies; a sender may be reading it.

    Raises DeliveryFailed where the folder cannot be written.
    """
    try:
        _write_whole(file, content)
    except OSError as exc:
        raise DeliveryFailed(f"{file.parent} cannot be written: {exc.strerror}") from exc


def _write_whole(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
