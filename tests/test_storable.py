"""Which SOP classes the policy lets in, and that the plugin's Python can ask."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import uid
from pydicom._uid_dict import UID_dictionary

from dicom_node import policy, storable
from dicom_node.errors import SettingsError
from dicom_node.policy import DEFAULT_FILE
from dicom_node.storable import Storable

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_IMAGES_BY_ANOTHER_NAME = {
    _STORAGE + ending for ending in ("6.2", "30", "77.1.5.8", "81.1", "82.1")
}


def named(ending: str) -> set[str]:
    """Return the classes whose name holds this, as pydicom's dictionary has them."""
    return {
        str(one) for one, entry in UID_dictionary.items()
        if entry[1] == "SOP Class" and one.startswith(_STORAGE) and ending in entry[0]
    }  # fmt: skip


def test_every_image_storage_class_is_an_image() -> None:
    assert storable.GROUPS["images"] == named("Image Storage") | _IMAGES_BY_ANOTHER_NAME


def test_the_other_groups_are_what_their_names_say() -> None:
    assert storable.GROUPS["presentation-states"] == named("Presentation State Storage")
    assert named(" SR Storage") <= storable.GROUPS["structured-reports"]
    assert named("Key Object") == storable.GROUPS["key-objects"]
    assert named("Segmentation Storage") <= storable.GROUPS["segmentations"]
    assert named("Encapsulated PDF") == storable.GROUPS["encapsulated-pdf"]


@pytest.mark.parametrize(
    ("sop_class", "taken"),
    [
        (uid.CTImageStorage, True),
        (uid.ComputedRadiographyImageStorage + "\0", True),
        (uid.Comprehensive3DSRStorage, True),
        (uid.RawDataStorage, False),
        (uid.RTPlanStorage, False),
        (uid.TwelveLeadECGWaveformStorage, False),
        (uid.EncapsulatedCDAStorage, False),
        ("1.3.12.2.1107.5.9.1", False),
        ("", False),
    ],
)
def test_shipped_policy_takes_images_and_what_is_read_beside_them(
    sop_class: str, taken: bool
) -> None:
    assert Storable.of_policy().takes(sop_class) is taken


def test_a_site_names_groups_and_single_classes(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    shipped = DEFAULT_FILE.read_text(encoding="utf-8")
    start, end = shipped.index("sop_classes"), shipped.index("[eligibility]")
    wish = f'sop_classes = ["images", "{uid.RTPlanStorage}"]\n'
    file.write_text(shipped[:start] + wish + shipped[end:], encoding="utf-8")
    chosen = Storable.of_policy(file)

    assert chosen.takes(uid.RTPlanStorage)
    assert chosen.takes(uid.CTImageStorage)
    assert not chosen.takes(uid.Comprehensive3DSRStorage)
    assert policy.load(file).hash == policy.load().hash


@pytest.mark.parametrize("wish", ['["pictures"]', '["1..2"]', '["1.2\\n"]', "3", "[1]"])
def test_what_names_no_class_is_refused_by_both_readers(tmp_path: Path, wish: str) -> None:
    file = tmp_path / "policy.toml"
    shipped = DEFAULT_FILE.read_text(encoding="utf-8")
    start, end = shipped.index("sop_classes"), shipped.index("[eligibility]")
    file.write_text(f"{shipped[:start]}sop_classes = {wish}\n{shipped[end:]}", encoding="utf-8")
    for read in (policy.load, Storable.of_policy):
        with pytest.raises(SettingsError, match="sop_classes"):
            read(file)


def test_policy_without_the_section_takes_what_is_shipped(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    shipped = DEFAULT_FILE.read_text(encoding="utf-8")
    start, end = shipped.index("[storage]"), shipped.index("[eligibility]")
    file.write_text(shipped[:start] + shipped[end:], encoding="utf-8")

    assert Storable.of_policy(file) == Storable.of_policy()
    assert policy.load(file).storage.sop_classes == storable.DEFAULT


def test_the_plugin_can_ask_without_any_compiled_package() -> None:
    root = Path(storable.__file__).parents[1]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r}); from dicom_node.storable import Storable; "
        "assert Storable.of_policy().takes('1.2.840.10008.5.1.4.1.1.2'); "
        "assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)
