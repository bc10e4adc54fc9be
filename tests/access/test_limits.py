"""Whom wrong guesses shut out: him who guesses, and nobody at his usual place."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.access.limits import Limits, place_of

V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6)
ELSEWHERE = st.lists(st.ip_addresses().map(str), min_size=1, max_size=40)
HOME = "192.0.2.7"


def guess(limits: Limits, name: str, address: str, *, usual: bool = False) -> bool:
    """Guess wrongly; tell whether it was tried."""
    if limits.begin_login(name, address, usual=usual):
        return False
    limits.end_login(name, address, failed=True, usual=usual)
    return True


@given(ELSEWHERE, st.integers(10, 60))
def test_guesses_from_elsewhere_are_ten_and_shut_nobody_out_at_home(
    addresses: list[str], count: int
) -> None:
    limits = Limits()
    elsewhere = [a for a in addresses if place_of(a) != HOME] or ["198.51.100.1"]
    tried = sum(guess(limits, "ada", elsewhere[n % len(elsewhere)]) for n in range(count))
    assert tried == 10
    assert limits.login("ada", elsewhere[0]) > 0
    assert limits.login("ada", HOME, usual=True) == 0


@given(st.lists(V4.map(str), min_size=2, max_size=5, unique=True))
def test_each_usual_place_has_its_own_budget(homes: list[str]) -> None:
    limits = Limits()
    assert sum(guess(limits, "ada", homes[0], usual=True) for _ in range(20)) == 10
    assert [limits.login("ada", home, usual=True) > 0 for home in homes] == [True] + [False] * (
        len(homes) - 1
    )
    assert limits.login("ada", "198.51.100.1") == 0


@given(V6, st.lists(st.integers(0, 2**64 - 1), min_size=11, max_size=30))
def test_a_64_is_one_sender(network: ipaddress.IPv6Address, hosts: list[int]) -> None:
    limits = Limits()
    base = int(network) >> 64 << 64
    addresses = [str(ipaddress.IPv6Address(base | host)) for host in hosts]
    if network.ipv4_mapped or ipaddress.IPv6Address(base).ipv4_mapped or base == 0:
        return
    assert len({place_of(address) for address in addresses}) == 1
    assert sum(guess(limits, "ada", address, usual=True) for address in addresses) == 10


@given(V4)
def test_an_address_mapped_into_ipv6_is_the_same_sender(address: str) -> None:
    assert place_of(f"::ffff:{address}") == place_of(address) == address


@pytest.mark.parametrize("address", ["", "unix:", "localhost", "1.2.3.4.5", "fe80::1%eth0"])
def test_what_is_no_address_stands_for_itself_or_its_link(address: str) -> None:
    assert place_of(address) == ("fe80::/64" if "%" in address else address)


@pytest.mark.parametrize(
    ("name", "other"), [("ada", "ADA"), ("ada", "aDa"), ("ann.k", "ann.\N{KELVIN SIGN}")]
)
def test_spelling_of_a_name_that_the_ledger_takes_for_the_same_is_no_other_budget(
    name: str, other: str
) -> None:
    limits = Limits()
    assert sum(guess(limits, (name, other)[n % 2], f"198.51.100.{n}") for n in range(20)) == 10


@given(st.text(min_size=1, max_size=300))
def test_any_name_can_be_guessed_at(name: str) -> None:
    limits = Limits()
    assert sum(guess(limits, name, f"198.51.100.{n}") for n in range(12)) == 10


def test_budget_of_an_address_holds_for_usual_and_unknown_users_together() -> None:
    limits = Limits()
    tried = sum(guess(limits, f"user{n % 10}", HOME, usual=n % 2 == 0) for n in range(100))
    assert tried == 50
    assert limits.login("", HOME) > 0
