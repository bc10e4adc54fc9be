"""What `up` makes for the node's own processes alone, and what it insists on."""

import json
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import render, secrets
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import programs
from tests.certificates import Authority


def settings(home: Path, **more: object) -> Settings:
    chosen = Settings.model_validate({"home": home, "orthanc_url": "", "redis_url": "", **more})
    Layout.of(chosen).create()
    return chosen


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_each_node_has_a_token_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    one, other = settings(tmp_path / "a"), settings(tmp_path / "b")
    for chosen in (one, other):
        assert chosen.internal_token is None
        secrets.write(chosen)
    token = one.internal_token
    secrets.write(one)
    assert token is not None
    assert len(token) == 43  # 256 bits
    assert (one.internal_token, one.front_headers) == (token, {"X-Node-Token": token})
    assert other.internal_token != token
    assert (mode(one.token_file), mode(one.token_file.parent)) == (0o600, 0o700)


def test_token_of_the_site_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_text("from a vault\n", encoding="utf-8")
    chosen = settings(tmp_path / "home", internal_token_file=file)
    secrets.write(chosen)
    assert chosen.internal_token == "from a vault"


def test_other_machines_need_tls(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="NODE_HTTPS_CERTIFICATE_FILE"):
        secrets.write(settings(tmp_path, allow_remote=True))
    with pytest.raises(SettingsError, match="NODE_HTTPS_CERTIFICATE_FILE"):
        secrets.write(settings(tmp_path, allow_remote=True, http_plain=True))
    proxied = {"behind_tls_proxy": True, "public_url": "https://node.example"}
    secrets.write(settings(tmp_path, allow_remote=True, **proxied))


@pytest.mark.parametrize("public", ["", "http://node.example", "node.example"])
@pytest.mark.parametrize("orthanc", ["", "http://orthanc:8042"])
def test_proxy_of_the_site_needs_the_address_that_people_open(
    tmp_path: Path, public: str, orthanc: str
) -> None:
    chosen = {"behind_tls_proxy": True, "public_url": public, "orthanc_url": orthanc}
    with pytest.raises(SettingsError, match="with https:"):
        secrets.write(settings(tmp_path, **chosen))


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="go together"):
        secrets.write(settings(tmp_path, https_key_file=tmp_path / "key"))


def test_certificate_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    gone = {"https_certificate_file": tmp_path / "gone", "https_key_file": tmp_path / "gone"}
    with pytest.raises(SettingsError, match="cannot be read"):
        secrets.write(settings(tmp_path, **gone))


def test_proxy_gets_certificate_and_key_in_a_file_of_its_owner(tmp_path: Path) -> None:
    files = Authority(tmp_path).issue("node.example")
    chosen = settings(
        tmp_path / "the home",
        allow_remote=True,
        dicom_plain=True,
        https_certificate_file=files.certificate,
        https_key_file=files.key,
    )
    layout = Layout.of(chosen)
    render.write(chosen, programs(chosen))
    assert mode(layout.https_certificate) == 0o600
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(layout.https_certificate)
    for part in programs(chosen):
        if part.trial:
            read = subprocess.run(
                part.trial, cwd=part.folder, capture_output=True, encoding="utf-8", check=False
            )
            assert read.returncode == 0, read.stderr
    assert (chosen.front, chosen.public) == ("http://127.0.0.1:8042", "https://127.0.0.1:8443")
    secrets.write(settings(tmp_path / "the home"))
    assert not layout.https_certificate.exists()


def test_account_in_orthanc_is_for_an_orthanc_of_somebody_else(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("in clear text", encoding="utf-8")
    account = {"orthanc_user": "node", "orthanc_password_file": password}
    with pytest.raises(SettingsError, match="users add"):
        secrets.write(settings(tmp_path / "home", **account))
    elsewhere = settings(tmp_path / "home", **account, orthanc_url="http://orthanc:8042")
    secrets.write(elsewhere)
    assert elsewhere.orthanc_credentials == ("node", "in clear text")


def test_orthanc_has_one_account_with_the_token_for_a_password(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    kept = Layout.of(chosen).orthanc_folder / "accounts.json"
    kept.write_text('{"RegisteredUsers": {"node": "of an earlier version"}}', encoding="utf-8")
    secrets.write(chosen)
    assert json.loads(kept.read_text(encoding="utf-8")) == {
        "RegisteredUsers": {"node": chosen.internal_token}
    }
    assert mode(kept) == 0o600
    assert chosen.orthanc_credentials == ("node", chosen.internal_token)
