"""Passwords and how often they may be tried."""

import pytest

from dicom_node.access.limits import Limits
from dicom_node.access.passwords import Passwords
from dicom_node.errors import AccessError


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


def test_hash_is_argon2id_with_a_salt_of_its_own(passwords: Passwords) -> None:
    one, other = (passwords.hash("correct horse battery", "ada") for _ in range(2))
    assert one.startswith("$argon2id$v=19$m=65536,t=3,")
    assert one != other
    assert passwords.fits("correct horse battery", one)
    assert not passwords.fits("correct horse batterz", one)


@pytest.mark.parametrize(
    "weak", ["", "short", "elevenchars", "aaaaaaaaaaaaaaaa", "Ada.Lovelace", "x" * 1025]
)
def test_weak_password_is_refused(passwords: Passwords, weak: str) -> None:
    with pytest.raises(AccessError, match="choose another"):
        passwords.hash(weak, "ada.lovelace")


@pytest.mark.parametrize("kept", [None, "", "no hash", "$argon2id$v=19$broken"])
def test_nothing_fits_where_there_is_no_hash(passwords: Passwords, kept: str | None) -> None:
    assert not passwords.fits("nobody has this password", kept)
    assert not passwords.fits("x" * 2000, kept)


def test_tenth_failure_shuts_a_user_out_from_everywhere_and_nobody_else() -> None:
    limits = Limits()
    for number in range(10):
        assert limits.login("ada", f"10.0.0.{number}") == 0
        limits.login_failed("Ada", f"10.0.0.{number}")
    assert 1 <= limits.login("ADA", "10.0.0.99") <= 300
    assert limits.login("eve", "10.0.0.1") == 0


def test_logins_that_are_tried_at_once_count_before_they_have_failed() -> None:
    limits = Limits()
    assert [limits.begin_login("ada", f"10.0.0.{n}") > 0 for n in range(11)] == [False] * 10 + [
        True
    ]
    limits.end_login("ADA", "10.0.0.0", failed=False)
    assert limits.begin_login("ada", "10.0.0.11") == 0
    for number in range(1, 12):
        if number != 10:
            limits.end_login("ada", f"10.0.0.{number}", failed=True)
    assert limits.begin_login("ada", "10.0.0.12") > 0
    assert limits.begin_login("eve", "10.0.0.1") == 0


def test_login_that_succeeds_is_not_counted() -> None:
    limits = Limits()
    for _ in range(60):
        assert limits.begin_login("ada", "10.0.0.1") == 0
        limits.end_login("ada", "10.0.0.1", failed=False)


def test_fiftieth_failure_shuts_an_address_out_and_no_other() -> None:
    limits = Limits()
    for number in range(50):
        limits.login_failed(f"user{number}", "10.0.0.1")
    assert limits.login("ada", "10.0.0.1") > 0
    assert limits.login("", "10.0.0.1") > 0
    assert limits.login("ada", "10.0.0.2") == 0


def test_changes_are_counted_by_who_makes_them() -> None:
    limits = Limits()
    assert [limits.change("ada", "a") for _ in range(600)] == [0] * 600
    assert limits.change("ada", "a") > 0
    assert limits.change("eve", "a") == limits.change("ada", "b") == 0
