"""nginx and HAProxy take what is rendered for them, whatever a home is called."""

import string
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import nginx, render
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import programs

_NAMES = st.text(string.ascii_letters + string.digits + " %'\"\\;#${}@éあ", min_size=1, max_size=20)


def site(home: Path, **more: object) -> Settings:
    values: dict[str, object] = {"home": home, "redis_url": "", "orthanc_url": "", **more}
    return Settings.model_validate(values)


def taken(chosen: Settings) -> dict[str, str]:
    """Return what nginx and HAProxy say against their files; empty where they take them."""
    Layout.of(chosen).create()
    parts = programs(chosen)
    render.write(chosen, parts)
    said = {}
    for part in parts:
        if part.trial:
            done = subprocess.run(
                part.trial, cwd=part.folder, capture_output=True, encoding="utf-8", check=False
            )
            said[part.name] = "" if done.returncode == 0 else done.stderr
    return said


@settings(max_examples=25)
@given(name=_NAMES)
def test_both_doors_take_their_files(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("homes")
    try:
        said = taken(site(folder / name))
    except SettingsError:
        assert any(bad in f"/{name}" for bad in ("'", '"', " ;", " #"))
        return
    assert said == {"nginx": "", "haproxy": ""}


def test_page_allows_its_own_inline_scripts_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        "<script>one()</script><p><script>two()</script>", encoding="utf-8"
    )
    text = nginx.configuration(site(tmp_path, viewer=tmp_path), Layout.of(site(tmp_path)))
    (page,) = {line for line in text.splitlines() if line.count("'sha256-") == 2}
    assert "'unsafe-eval'" not in page


def test_token_from_outside_opens_nothing_over_tls(tmp_path: Path) -> None:
    opened = site(tmp_path, https_certificate_file=tmp_path / "a", https_key_file=tmp_path / "b")
    text = nginx.configuration(opened, Layout.of(opened))
    plain, tls = text.split("ssl_certificate_key")
    assert "X-Node-Claim $http_x_node_token;" in plain
    assert "X-Node-Claim $http_x_node_token;" not in tls
    assert 'X-Node-Claim "";' in tls


def test_what_nginx_says_is_for_people_and_for_programs(tmp_path: Path) -> None:
    files = {file.name: text for file, text in nginx.words(Layout.of(site(tmp_path)))}
    assert {name.partition(".")[0] for name in files} == {
        "400",
        "401",
        "403",
        "404",
        "413",
        "429",
        "503",
    }
    assert all("Research use only" in text for name, text in files.items() if "html" in name)
