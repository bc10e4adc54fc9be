"""How far the DICOM port is open: what is rendered, and what is refused."""

import json
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import checks, opening
from dicom_node.supervision.checks import Outcome
from tests.certificates import Authority

Make = Callable[..., Settings]
CT = {"name": "ct", "ae_title": "CT-1", "host": "10.0.0.7", "may": ["store", "move"], "port": 11112}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    authority = Authority(tmp_path)
    own = authority.issue("node.example")
    return {
        "dicom_tls_certificate_file": own.certificate,
        "dicom_tls_key_file": own.key,
        "dicom_tls_ca_file": authority.file,
    }


def site(**values: object) -> Settings:
    return Settings.model_validate(values)


def rendered(settings: Settings) -> dict[str, Any]:
    keys: dict[str, Any] = json.loads(opening.render(settings))
    for name in ("DicomThreadsCount", "MaximumPduLength", "AcceptedTransferSyntaxes"):
        del keys[name]
    assert keys.pop("StrictAetComparison") is True
    return keys


def test_default_takes_any_caller_on_loopback() -> None:
    settings = site()
    assert settings.listen_address.is_loopback
    keys = rendered(settings)
    assert (
        keys.items()
        >= {
            "DicomCheckCalledAet": False,
            "DicomCheckModalityHost": False,
            **{f"DicomAlwaysAllow{v}": True for v in ("Echo", "Store", "Find", "Get", "Move")},
        }.items()
    )


def test_open_node_needs_certificates_and_modalities() -> None:
    with pytest.raises(SettingsError) as caught:
        opening.render(site(allow_remote=True))
    for word in (
        "NODE_DICOM_TLS_KEY_FILE",
        "[[modalities]]",
        "NODE_DICOM_PLAIN",
        "docs/network.md",
    ):
        assert word in str(caught.value)


def test_open_node_with_both_is_strict(files: dict[str, Path]) -> None:
    settings = site(allow_remote=True, modalities=[CT], **files)
    keys = rendered(settings)
    assert "DicomTlsEnabled" not in keys  # HAProxy ends it
    assert keys["DicomTlsTrustedCertificates"] == str(files["dicom_tls_ca_file"])
    assert (keys["DicomCheckCalledAet"], keys["DicomCheckModalityHost"]) == (True, False)
    assert not any(keys[f"DicomAlwaysAllow{v}"] for v in ("Echo", "Store", "Find", "Get", "Move"))
    assert keys["DicomModalities"]["ct"] == {
        "AET": "CT-1",
        "Host": "10.0.0.7",
        "Port": 11112,
        "UseDicomTls": True,
        "AllowEcho": True,
        "AllowStore": True,
        "AllowFind": False,
        "AllowGet": False,
        "AllowMove": True,
        "AllowStorageCommitment": False,
    }
    (told,) = [c for c in checks.network(settings) if c.name == "DICOM callers"]
    assert (told.outcome, told.found) == (Outcome.OK, "1 named modalities, with a certificate")


def test_plain_must_be_stated_and_is_named() -> None:
    settings = site(allow_remote=True, dicom_plain=True)
    assert rendered(settings)["DicomAlwaysAllowStore"] is True
    (told,) = [c for c in checks.network(settings) if c.name == "DICOM callers"]
    assert told.outcome is Outcome.WARNING


def test_address_that_is_not_loopback_must_be_meant(files: dict[str, Path]) -> None:
    settings = site(bind_address="192.0.2.1", modalities=[CT], **files)
    with pytest.raises(SettingsError, match="needs NODE_ALLOW_REMOTE=true"):
        opening.render(settings)
    assert settings.orthanc_address.is_loopback


def test_open_http_behind_a_proxy_leaves_dicom_on_loopback() -> None:
    settings = site(allow_remote=True, bind_address="127.0.0.1")
    assert rendered(settings)["DicomAlwaysAllowStore"] is True


@pytest.mark.parametrize("missing", ["certificate", "key", "ca"])
def test_two_of_three_files_are_refused(files: dict[str, Path], missing: str) -> None:
    del files[f"dicom_tls_{missing}_file"]
    with pytest.raises(SettingsError, match=f"NODE_DICOM_TLS_{missing.upper()}_FILE is missing"):
        opening.render(site(**files))


def test_key_that_others_can_read_is_refused(files: dict[str, Path]) -> None:
    files["dicom_tls_key_file"].chmod(0o640)
    with pytest.raises(SettingsError, match="chmod 600"):
        opening.render(site(**files))


def test_file_that_is_not_there_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    files["dicom_tls_ca_file"] = tmp_path / "none"
    with pytest.raises(SettingsError, match="names no file"):
        opening.render(site(**files))


def test_names_of_modalities_are_unique() -> None:
    with pytest.raises(SettingsError, match="same name"):
        opening.render(site(modalities=[CT, CT]))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ae_title": "ct-1"}, "differ in case only"),
        ({"host": "10.0.0.8", "may": ["find"]}, "different rights"),
        ({"ae_title": "  "}, "the AE title of modality ct-2 is none"),
        ({"ae_title": "CT\\1"}, "the AE title of modality ct-2 is none"),
        ({"ae_title": "CT2", "certificate_name": "ct-2"}, "which needs DICOM over TLS"),
        ({"ae_title": "CT2", "certificate_sha256": "ab" * 32}, "which needs DICOM over TLS"),
    ],
)
def test_titles_that_cannot_be_told_apart_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        opening.render(site(modalities=[CT, CT | {"name": "ct-2"} | changed]))


def test_two_devices_may_share_a_title_and_its_rights() -> None:
    keys = rendered(site(modalities=[CT, CT | {"name": "ct-2", "host": "10.0.0.8"}]))
    assert set(keys["DicomModalities"]) == {"ct", "ct-2"}


def test_list_of_revoked_certificates_needs_certificates_and_a_file(
    files: dict[str, Path], tmp_path: Path
) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(SettingsError, match="NODE_DICOM_TLS_CRL_FILE needs DICOM over TLS"):
        opening.render(site(dicom_tls_crl_file=missing))
    with pytest.raises(SettingsError, match="NODE_DICOM_TLS_CRL_FILE names no file"):
        opening.render(site(dicom_tls_crl_file=missing, **files))


def test_fingerprint_is_taken_as_openssl_prints_it_and_no_other_text_is() -> None:
    pair = ":".join(["AB"] * 32)
    (modality,) = site(modalities=[CT | {"certificate_sha256": pair}]).modalities
    assert modality.certificate_sha256 == "ab" * 32
    with pytest.raises(ValidationError, match="no SHA-256 fingerprint"):
        site(modalities=[CT | {"certificate_sha256": "abc"}])


def test_deflated_objects_are_accepted_only_where_the_site_admits_them() -> None:
    for admitted in (False, True):
        keys = json.loads(opening.render(site(dicom_deflated=admitted)))
        patterns = keys["AcceptedTransferSyntaxes"]
        for syntax in ("1.2.1.99", "1.2.4.95", "1.2.4.205"):
            uid = f"1.2.840.10008.{syntax}"
            assert any(fnmatchcase(uid, pattern) for pattern in patterns) is admitted
        for syntax in ("1.2", "1.2.1", "1.2.2", "1.2.4.50", "1.2.4.90", "1.2.4.93", "1.2.5"):
            uid = f"1.2.840.10008.{syntax}"
            assert any(fnmatchcase(uid, pattern) for pattern in patterns)


def test_what_no_viewer_could_show_is_not_accepted() -> None:
    patterns = json.loads(opening.render(site()))["AcceptedTransferSyntaxes"]
    for ending in ("94", "201", "202", "203", "204"):
        uid = f"1.2.840.10008.1.2.4.{ending}"
        assert not any(fnmatchcase(uid, pattern) for pattern in patterns)


def test_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_DICOM_TLS_KEY_FILE", "")
    assert Settings().dicom_tls_key_file is None
