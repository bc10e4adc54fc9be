"""Certificates of senders: tied to AE titles, compared with case, and revoked by a list."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from bench.fuzz.caller import Ended
from dicom_node.archive.dimse import tls_context
from tests.certificates import Authority, Identity
from tests.doors import Door

pytestmark = pytest.mark.node

_CALLING_NOT_RECOGNISED: Final = "PDU 3: 00010103"


@dataclass(frozen=True)
class Site:
    """A door that asks for certificates, and the certificates."""

    door: Door
    authority: Authority
    identities: dict[str, Identity]

    def call(self, who: str, calling: str) -> int:
        """Return the status of an echo under a title, with a certificate."""
        mine = self.identities[who]
        context = tls_context(self.authority.file, mine.certificate, mine.key)
        caller = self.door.caller(calling=calling, tls=context)
        with caller.associate(SecondaryCaptureImageStorage) as association:
            return association.echo()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("certificates")
    authority = Authority(home / "tls")
    own = authority.issue("127.0.0.1")
    identities = {
        "the node": own,
        "common name": authority.issue(common_name="CT-1"),
        "DNS name": authority.issue("ct-1.example", "DX"),
        "other case": authority.issue(common_name="ct-1"),
        "other": authority.issue("other.example", common_name="MR-1"),
        "longer": authority.issue(common_name="CT-12"),
        "organisation": authority.issue("elsewhere.example"),
        "underscore": authority.issue(common_name="US_ROOM 3"),
        "lost": authority.issue(common_name="CT-1"),
    }
    here = {"host": "127.0.0.1"}
    modalities = [
        {"name": "ct", "ae_title": "CT-1", **here},
        {"name": "dx", "ae_title": "DX-1", "certificate_name": "dx", **here},
        {"name": "us", "ae_title": "US_ROOM 3", **here},
        {"name": "us-again", "ae_title": "MR-1", **here,
         "certificate_sha256": identities["organisation"].sha256},
    ]  # fmt: skip
    with Door.at(
        home / "node",
        modalities=modalities,
        dicom_tls_certificate_file=own.certificate,
        dicom_tls_key_file=own.key,
        dicom_tls_ca_file=authority.file,
        dicom_tls_crl_file=authority.revoke(identities["lost"]),
    ) as door:
        yield Site(door, authority, identities)


@pytest.mark.parametrize(
    ("who", "calling"),
    [
        ("common name", "CT-1"),
        ("DNS name", "DX-1"),
        ("underscore", "US_ROOM 3"),
        ("organisation", "MR-1"),
        ("the node", "CT-1"),
    ],
)
def test_the_certificate_of_the_title_gets_in(site: Site, who: str, calling: str) -> None:
    assert site.call(who, calling) == 0


@pytest.mark.parametrize(
    ("who", "calling"),
    [
        ("other", "CT-1"),
        ("other case", "CT-1"),
        ("common name", "ct-1"),
        ("longer", "CT-1"),
        ("DNS name", "CT-1"),
        ("common name", "DX-1"),
        ("other", "MR-1"),  # it names the title, and another certificate is asked for
        ("organisation", "CT-1"),
        ("the node", "CT-2"),
    ],
)
def test_another_certificate_of_the_same_authority_is_rejected(
    site: Site, who: str, calling: str
) -> None:
    with pytest.raises(Ended) as caught:
        site.call(who, calling)
    assert str(caught.value) == _CALLING_NOT_RECOGNISED


def test_revoked_certificate_is_refused_by_tls(site: Site) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError, Ended)) as caught:
        site.call("lost", "CT-1")
    assert "PDU" not in str(caught.value)
    assert site.call("common name", "CT-1") == 0


def test_a_site_may_admit_deflated_objects(tmp_path: Path) -> None:
    deflated = "1.2.840.10008.1.2.1.99"
    with (
        Door.at(tmp_path, dicom_deflated=True) as door,
        door.caller().associate(SecondaryCaptureImageStorage, [deflated]) as association,
    ):
        assert association.contexts[deflated] is not None
