"""The CT gate, on drawn series and on the real volumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dicom_node.domain import Geometry, RefusalCode, Sample, StudyKind
from dicom_node.errors import StudyRefused
from models import golden
from models.gate.ct import LEAST_LUNG_SLICES, CtGate
from models.training import ct_strangers, volumes
from models.training.alterations import Wanted
from tests.model_inputs import decoded, film


@pytest.fixture(scope="module")
def gate() -> CtGate:
    return CtGate()


def _refused(gate: CtGate, sample: Sample) -> str:
    with pytest.raises(StudyRefused) as caught:
        gate.check(sample)
    assert caught.value.reason.endswith(".")
    return caught.value.code


def _body_without_lungs() -> Sample:
    sample = golden.series()
    filled = np.where(sample.pixels > -985.0, np.maximum(sample.pixels, 40.0), sample.pixels)
    return replace(sample, pixels=filled.astype(np.float32))


def test_check_accepts_a_chest_unchanged(gate: CtGate) -> None:
    sample = golden.series()

    assert gate.check(sample) is sample


def test_check_refuses_a_body_without_lungs(gate: CtGate) -> None:
    assert _refused(gate, _body_without_lungs()) == RefusalCode.NO_LUNG


def test_check_refuses_few_lung_slices(gate: CtGate) -> None:
    chest, belly = golden.series(), _body_without_lungs()
    pixels = belly.pixels.copy()
    pixels[: LEAST_LUNG_SLICES - 1] = chest.pixels[5 : 4 + LEAST_LUNG_SLICES]

    assert _refused(gate, replace(belly, pixels=pixels)) == RefusalCode.TOO_FEW_SLICES


def test_check_refuses_a_childs_chest(gate: CtGate) -> None:
    small = replace(golden.series(), geometry=Geometry(1.2, 1.2, 20.0))

    assert _refused(gate, small) == RefusalCode.OUT_OF_DISTRIBUTION


@pytest.mark.parametrize("value", [0.0, -1000.0, 3000.0])
def test_check_refuses_a_constant_series(gate: CtGate, value: float) -> None:
    constant = replace(golden.series(), pixels=np.full((14, 64, 64), value, dtype=np.float32))

    assert _refused(gate, constant) == RefusalCode.OUT_OF_DISTRIBUTION


def test_check_refuses_numbers_that_are_not_hounsfield_units(gate: CtGate) -> None:
    greys = replace(golden.series(), pixels=(golden.series().pixels + 1000.0) / 2000.0)

    assert _refused(gate, greys) == RefusalCode.OUT_OF_DISTRIBUTION


def test_check_refuses_noise(gate: CtGate) -> None:
    random = np.random.default_rng(1)
    noise = (400.0 * random.standard_normal((14, 96, 96))).astype(np.float32)

    assert _refused(gate, replace(golden.series(), pixels=noise)) in {
        RefusalCode.NO_LUNG,
        RefusalCode.OUT_OF_DISTRIBUTION,
    }


@pytest.mark.parametrize("swapped", [(1, 0, 2), (2, 0, 1)], ids=["coronal", "sagittal"])
def test_check_refuses_slices_across_the_axis_whatever_the_header_says(
    gate: CtGate, swapped: tuple[int, int, int]
) -> None:
    axial = ct_strangers.series(np.repeat(golden.series().pixels, 9, axis=0), 2.2, 2.2)
    turned = axial.pixels.transpose(swapped)
    inner = turned[len(turned) // 3 : -len(turned) // 3]

    assert _refused(gate, ct_strangers.series(inner, 2.2, 2.2)) == RefusalCode.NOT_AXIAL


@pytest.mark.parametrize("offset", [1024.0, -1024.0])
def test_check_refuses_a_wrong_rescale_intercept(gate: CtGate, offset: float) -> None:
    shifted = np.maximum(golden.series().pixels + offset, -1024.0)

    found = _refused(gate, replace(golden.series(), pixels=shifted.astype(np.float32)))

    assert found == RefusalCode.OUT_OF_DISTRIBUTION


@pytest.mark.parametrize("name", ["abdomen", "pelvis", "skull, frontal", "hand"])
def test_check_refuses_other_body_parts(gate: CtGate, name: str) -> None:
    assert _refused(gate, ct_strangers.drawn(name, seed=3)) in {
        RefusalCode.NO_LUNG,
        RefusalCode.OUT_OF_DISTRIBUTION,
    }


def test_check_notes_a_header_that_names_another_body_part(gate: CtGate) -> None:
    sample = golden.series()

    passed = gate.check(replace(sample, hints={"body_part": "HEAD"}))

    assert passed.notes == ("The header names the body part HEAD; the pixels show a chest CT.",)


@pytest.mark.parametrize("claim", ["CHEST", "", "CHEST_TO_PELVIS", "thorax"])
def test_check_adds_no_note_to_a_true_claim(gate: CtGate, claim: str) -> None:
    assert gate.check(replace(golden.series(), hints={"body_part": claim})).notes == ()


def test_check_refuses_a_film(gate: CtGate) -> None:
    assert _refused(gate, film(golden.film().pixels)) == RefusalCode.NOT_CHEST


@pytest.mark.data
@pytest.mark.parametrize("name", ["P001", "cap001", "normal001"])
def test_check_treats_what_becomes_of_a_real_volume_as_wanted(
    gate: CtGate, data_dir: Path, name: str
) -> None:
    wrong = []
    for stranger in ct_strangers.of_volume(volumes.read(data_dir, name).sample):
        try:
            gate.check(stranger.sample)
            passed = True
        except StudyRefused:
            passed = False
        if stranger.wanted is not Wanted.EITHER and passed != (stranger.wanted is Wanted.PASS):
            wrong.append(stranger.kind)

    assert wrong == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["P001", "cap001", "normal001"])
def test_check_accepts_the_sound_volumes(gate: CtGate, data_dir: Path, name: str) -> None:
    sample = decoded(data_dir / "ct" / "volumes" / name, StudyKind.CT)

    assert gate.check(sample) is sample
