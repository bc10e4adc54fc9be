"""The policy file: what is refused, and what its hash covers."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node import policy
from dicom_node.domain import Resend, StudyKind
from dicom_node.errors import SettingsError
from dicom_node.policy import DEFAULT_FILE

SHIPPED = DEFAULT_FILE.read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    file = folder / "policy.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_shipped_policy_has_no_shadow() -> None:
    assert policy.load().shadow == {}


def test_shadow_is_read_and_leaves_the_hash_alone(tmp_path: Path) -> None:
    shadowed = policy.load(written(tmp_path, SHIPPED + '\n[shadow]\nCXR = "our-cxr"\n'))

    assert shadowed.shadow == {StudyKind.CXR: "our-cxr"}
    assert shadowed.hash == policy.load().hash


def test_layout_and_comments_leave_the_hash_alone(tmp_path: Path) -> None:
    bare = "\n".join(line.partition("#")[0].rstrip() for line in SHIPPED.splitlines())

    assert policy.load(written(tmp_path, bare)).hash == policy.load().hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "2"', 'version = "3"'),
        ("ct_min_slices = 12", "ct_min_slices = 13"),
        ("ROUTINE = 240", "ROUTINE = 241"),
        ('priority = "STAT"', 'priority = "HIGH"'),
    ],
)
def test_each_rule_changes_the_hash(tmp_path: Path, old: str, new: str) -> None:
    assert old in SHIPPED
    changed = policy.load(written(tmp_path, SHIPPED.replace(old, new)))

    assert changed.hash != policy.load().hash


def test_shadow_that_is_the_served_model_is_refused(tmp_path: Path) -> None:
    served = policy.load().models[StudyKind.CXR]

    with pytest.raises(SettingsError, match=f"{served} for CXR, which is the model served"):
        policy.load(written(tmp_path, f'{SHIPPED}\n[shadow]\nCXR = "{served}"\n'))


def test_shadow_beside_no_served_model_is_refused(tmp_path: Path) -> None:
    text = "\n".join(line for line in SHIPPED.splitlines() if not line.startswith("CT = "))

    with pytest.raises(SettingsError, match="models serves none"):
        policy.load(written(tmp_path, f'{text}\n[shadow]\nCT = "our-ct"\n'))


def test_shadow_of_no_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"shadow\.MR"):
        policy.load(written(tmp_path, f'{SHIPPED}\n[shadow]\nMR = "our-mr"\n'))


def test_what_changes_no_report_leaves_the_hash_alone(tmp_path: Path) -> None:
    changed = SHIPPED
    for old, new in (
        ('policy = "CHANGED"', 'policy = "NEVER"'),
        ("rise_s = 600", "rise_s = 60"),
        ("attempts = 5", "attempts = 6"),
        ("worker_deaths = 3", "worker_deaths = 4"),
        ("seconds = 30", "seconds = 31"),
    ):
        assert changed.count(old) == 1
        changed = changed.replace(old, new)
    loaded = policy.load(written(tmp_path, changed))

    assert (loaded.resent.policy, loaded.urgency.rise_s) == (Resend.NEVER, 60)
    assert (loaded.retry.attempts, loaded.retry.worker_deaths, loaded.lease.seconds) == (6, 4, 31)
    assert loaded.hash == policy.load().hash


def test_policy_without_the_newer_sections_is_read(tmp_path: Path) -> None:
    old = SHIPPED.replace("[resent]", "").replace('policy = "CHANGED"', "")
    old = old.replace("[urgency]", "").replace("rise_s = 600", "")
    old = old.replace("worker_deaths = 3", "")
    assert not tomllib.loads(old).keys() & {"resent", "urgency"}
    loaded = policy.load(written(tmp_path, old))

    assert (loaded.resent.policy, loaded.urgency.rise_s) == (Resend.CHANGED, 600)
    assert loaded.retry.worker_deaths == 3


def test_unknown_resend_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"resent\.policy"):
        policy.load(written(tmp_path, SHIPPED.replace('"CHANGED"', '"SOMETIMES"')))


def test_shipped_policy_outlasts_an_archive_that_fails_for_a_quarter_of_a_minute() -> None:
    retry = policy.load().retry
    shortest = sum(retry.delay_s(attempt) / 2 for attempt in range(1, retry.attempts))

    assert shortest >= 15


@given(st.integers(1, 40))
def test_pauses_double_up_to_a_bound_with_jitter(attempt: int) -> None:
    retry = policy.load().retry
    longest = min(retry.first_delay_s * 2 ** (attempt - 1), retry.longest_delay_s)

    assert longest / 2 <= retry.pause_s(attempt) <= longest == retry.delay_s(attempt)


def test_pause_after_a_weekend_of_failures_is_the_longest() -> None:
    retry = policy.load().retry

    assert retry.delay_s(5000) == retry.longest_delay_s
