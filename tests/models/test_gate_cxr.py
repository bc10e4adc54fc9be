"""The film gate: what it lets through, what it corrects, what it refuses and how."""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from dicom_node.domain import RefusalCode, Sample, StudyKind
from dicom_node.errors import PixelError, StudyRefused
from dicom_node.phantom import samples
from models import golden, registry
from models.gate.claims import contradicted
from models.gate.cxr import INVERTED_NOTE, Impression, Limits, Verdict, verdict
from models.gate.features import Look
from models.gate.model import Gates
from models.imaging import Float
from models.training import negatives
from tests.model_inputs import decoded, film, jpeg

OTHER_THAN_CHEST = {
    RefusalCode.NOT_CHEST,
    RefusalCode.NOT_FRONTAL,
    RefusalCode.NOT_UPRIGHT,
    RefusalCode.OUT_OF_DISTRIBUTION,
}
DEMO_SEED = 1


@pytest.fixture(scope="module")
def gates() -> Gates:
    return cast("Gates", registry.open_model(registry.entry("gate"), "cpu"))


def _verdict(gates: Gates, sample: Sample) -> str:
    """Return the refusal's code, or an empty string where the film passes."""
    try:
        gates.of(StudyKind.CXR).check(sample)
    except StudyRefused as refusal:
        return refusal.code
    return ""


def _core_test(data: Path, count: int, label: str = "") -> Iterator[tuple[str, Float]]:
    with (data / "cxr" / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [
            row
            for row in csv.DictReader(stream)
            if row["set"] == "core" and row["split"] == "test" and label in row["label"]
        ]
    for row in rows[:: max(1, len(rows) // count)]:
        yield row["id"], jpeg(data / "cxr" / row["file"])


def test_check_refuses_with_one_sentence(gates: Gates) -> None:
    with pytest.raises(StudyRefused) as caught:
        gates.of(StudyKind.CXR).check(film(negatives.noise(np.random.default_rng(1))))

    assert caught.value.reason.count(".") == 1
    assert caught.value.reason.endswith(".")


def _looks(frontal: float, distance: float, likeliest: Look = Look.FRONTAL) -> Impression:
    p = [(1.0 - frontal) / (len(Look) - 1)] * len(Look)
    p[Look.FRONTAL] = frontal
    if likeliest is not Look.FRONTAL:
        p[likeliest] = 1.0 - frontal
    return Impression(tuple(p), distance)


@pytest.mark.parametrize(
    ("as_it_is", "inverted", "expected"),
    [
        (_looks(0.9, 1.0), _looks(0.1, 3.0), Verdict(None)),
        (_looks(0.1, 3.0), _looks(0.9, 1.0), Verdict(None, is_inverted=True)),
        (_looks(0.9, 2.1), _looks(0.1, 1.0), Verdict(RefusalCode.OUT_OF_DISTRIBUTION)),
        (_looks(0.4, 1.0, Look.OTHER), _looks(0.1, 1.0), Verdict(RefusalCode.NOT_CHEST)),
        (_looks(0.1, 1.0, Look.LATERAL), _looks(0.1, 1.0), Verdict(RefusalCode.NOT_FRONTAL)),
        (_looks(0.1, 1.0, Look.TURNED), _looks(0.1, 1.0), Verdict(RefusalCode.NOT_UPRIGHT)),
        (_looks(0.1, 1.0, Look.OTHER), _looks(0.4, 1.0), Verdict(RefusalCode.NOT_CHEST)),
    ],
)
def test_verdict_judges_the_polarity_that_looks_more_like_a_film(
    as_it_is: Impression, inverted: Impression, expected: Verdict
) -> None:
    assert verdict(as_it_is, inverted, Limits(least_frontal=0.5, most_distance=2.0)) == expected


@pytest.mark.parametrize(
    ("hints", "said"),
    [
        ({"body_part": "HIP"}, "names the body part HIP; the pixels show a chest."),
        ({"view_position": "LL"}, "names the view LL; the pixels show a chest."),
        ({"body_part": "<script>"}, "names the body part (unreadable); the pixels show a chest."),
    ],
)
def test_contradicted_names_the_claim(hints: dict[str, str], said: str) -> None:
    assert contradicted(hints, "a chest") == (f"The header {said}",)


@pytest.mark.parametrize("hints", [{}, {"body_part": "RIBCAGE"}, {"view_position": "AP"}])
def test_contradicted_is_silent_about_true_claims(hints: dict[str, str]) -> None:
    assert contradicted(hints, "a chest") == ()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_check_refuses_a_blank_film(gates: Gates, value: float) -> None:
    blank = film(np.full((300, 300), value, dtype=np.float32))

    assert _verdict(gates, blank) == RefusalCode.BLANK_IMAGE


@pytest.mark.parametrize("grain", [0, 1, 2, 3])
def test_check_refuses_noise(gates: Gates, grain: int) -> None:
    assert _verdict(gates, film(negatives.noise(np.random.default_rng(900 + grain)))) != ""


@pytest.mark.parametrize("seed", range(6))
def test_check_refuses_drawings_and_limbs_of_unseen_seeds(gates: Gates, seed: int) -> None:
    random = np.random.default_rng(700 + seed)

    assert _verdict(gates, film(np.clip(negatives.drawing(random), 0, 1))) != ""
    assert _verdict(gates, film(np.clip(negatives.limb(random), 0, 1))) != ""


@pytest.mark.parametrize("index", range(4))
def test_check_refuses_photographs(gates: Gates, index: int) -> None:
    assert _verdict(gates, film(negatives.photographs()[index])) != ""


def test_check_refuses_a_series(gates: Gates) -> None:
    assert _verdict(gates, golden.series()) == RefusalCode.NOT_CHEST


def _phantom(dataset_of: str) -> Sample:
    _, datasets = getattr(samples, dataset_of)(DEMO_SEED)
    pixels = datasets[0].pixel_array.astype(np.float32) / 4095.0
    return film(pixels)


def test_check_passes_the_frontal_phantom(gates: Gates) -> None:
    assert _verdict(gates, _phantom("frontal")) == ""


def test_check_refuses_the_lateral_phantom(gates: Gates) -> None:
    assert _verdict(gates, _phantom("lateral")) in OTHER_THAN_CHEST


def test_check_refuses_the_knee_phantom(gates: Gates) -> None:
    assert _verdict(gates, _phantom("knee_film")) in OTHER_THAN_CHEST


@pytest.mark.data
def test_check_wrongly_refuses_at_most_2_percent_of_core_test(gates: Gates, data_dir: Path) -> None:
    verdicts = [_verdict(gates, film(pixels)) for _, pixels in _core_test(data_dir, 1000)]

    assert len(verdicts) > 150
    assert sum(code != "" for code in verdicts) <= 0.02 * len(verdicts)


@pytest.mark.data
def test_check_corrects_inverted_films_and_says_so(gates: Gates, data_dir: Path) -> None:
    right = 0
    films = list(_core_test(data_dir, 25))
    for _, pixels in films:
        try:
            passed = gates.of(StudyKind.CXR).check(film(1.0 - pixels))
        except StudyRefused:
            continue
        np.testing.assert_allclose(passed.pixels, pixels, atol=1e-6)
        assert INVERTED_NOTE in passed.notes
        right += 1

    assert right >= 0.95 * len(films)


@pytest.mark.data
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_check_refuses_turned_films(gates: Gates, data_dir: Path, turns: int) -> None:
    films = [film(negatives.turned(pixels, turns)) for _, pixels in _core_test(data_dir, 15)]

    refused = [_verdict(gates, one) for one in films]

    assert sum(code != "" for code in refused) >= 0.93 * len(films)
    assert refused.count(RefusalCode.NOT_UPRIGHT) > len(films) / 2


@pytest.mark.data
def test_check_refuses_ct_slices(gates: Gates, data_dir: Path) -> None:
    files = sorted((data_dir / "ct" / "slices").glob("*/*.jpg"))[::25]

    assert [str(f) for f in files if _verdict(gates, film(jpeg(f))) == ""] == []


@pytest.mark.data
def test_check_passes_real_dicom_films(gates: Gates, data_dir: Path) -> None:
    files = sorted((data_dir / "dicom" / "cxr").glob("*.dcm"))

    verdicts = {file.name: _verdict(gates, decoded(file)) for file in files}

    assert len(files) == 10
    assert {name for name, code in verdicts.items() if code} == set()


@pytest.mark.data
def test_check_corrects_the_film_with_the_false_photometric_flag(
    gates: Gates, data_dir: Path
) -> None:
    folder = data_dir / "dicom" / "cxr"
    lying = decoded(folder / "rsna_cr_wrong_photometric.dcm")
    honest = decoded(folder / "rsna_cr_jpegbaseline_pa.dcm")

    passed = gates.of(StudyKind.CXR).check(lying)

    assert INVERTED_NOTE in passed.notes
    assert float(np.corrcoef(passed.pixels.ravel(), honest.pixels.ravel())[0, 1]) > 0.99


@pytest.mark.data
def test_check_refuses_what_is_no_chest(gates: Gates, data_dir: Path) -> None:
    files = sorted((data_dir / "dicom" / "gate_notchest").glob("*.dcm"))
    passed = []
    for file in files:
        try:
            sample = decoded(file)
        except (StudyRefused, PixelError):
            continue
        if _verdict(gates, replace(sample, hints={})) == "":
            passed.append(file.name)

    assert len(files) == 6
    assert passed == []
