"""The kinds of source studies that every result object must cope with."""

from collections.abc import Callable
from typing import Final

from pydicom.dataset import Dataset

from tests.builders import EMPTY, PATIENT, STUDY, Film, Series

JAPANESE: Final = "Yamada^Tarou=山田^太郎=やまだ^たろう"
ARABIC: Final = "قباني^لنزار"

SOURCES: Final[dict[str, Callable[[], list[Dataset]]]] = {
    "cr_utf8": lambda: [Film("utf8").build()],
    "cr_latin1": lambda: [Film("latin1", charset="ISO_IR 100").build()],
    "cr_japanese": lambda: [
        Film(
            "japanese",
            charset=("", "ISO 2022 IR 87"),
            patient={**PATIENT, "PatientName": JAPANESE},
            study={**STUDY, "StudyDescription": "胸部正面"},
        ).build()
    ],
    "cr_arabic": lambda: [
        Film("arabic", charset="ISO_IR 127", patient={**PATIENT, "PatientName": ARABIC}).build()
    ],
    "cr_bare": lambda: [Film("bare", charset="", patient=EMPTY, study=EMPTY, image=EMPTY).build()],
    "ct_40": lambda: Series("ct").build(),
}
