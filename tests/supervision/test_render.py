"""The rendered configuration says what the settings say, whatever NODE_HOME is called."""

import shlex
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.options import ServerOptions

from dicom_node.errors import SettingsError
from dicom_node.settings import Settings
from dicom_node.supervision import render
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import Program, programs

_NAMES = st.text(string.ascii_letters + string.digits + " %'\"\\;#$éあ", min_size=1, max_size=40)


def read(file: Path) -> dict[str, dict[str, object]]:
    """Read a configuration with supervisord's own reader."""
    options = ServerOptions()
    options.realize(["-c", str(file), "--nodaemon"])
    return {
        config.name: {
            "command": config.command,
            "environment": dict(config.environment),
            "log": config.stdout_logfile,
        }
        for group in options.process_group_configs
        for config in group.process_configs
    }


def settings(home: Path, **more: object) -> Settings:
    """Return settings for a node in ``home``, whatever the environment says."""
    values: dict[str, object] = {"home": home, "redis_url": "", "orthanc_url": "", **more}
    return Settings.model_validate(values)


@given(name=_NAMES)
def test_supervisor_reads_back_what_was_rendered(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("nodes")
    layout = Layout(folder / name, folder / "run")
    layout.create()
    program = Program("part", ("/bin/echo", name, "-n", "x@%h"), 1, {"SOME": name})
    try:
        layout.supervisor_file.write_text(render.supervisor(layout, [program]), encoding="utf-8")
    except SettingsError:
        assert any(bad in f"/{name}" for bad in ("'", '"', " ;", " #"))
        return
    part = read(layout.supervisor_file)["part"]
    assert shlex.split(str(part["command"])) == list(program.command)
    assert part["environment"] == {
        "NODE_HOME": str(layout.home),
        "PYTHONUNBUFFERED": "1",
        "SOME": name,
    }
    assert part["log"] == str(layout.log("part"))


def test_render_two_nodes_share_nothing(tmp_path: Path) -> None:
    first = settings(tmp_path / "a", http_port=20001, dicom_port=20002)
    second = settings(tmp_path / "b", http_port=20003, dicom_port=20004)
    parts = []
    for one in (first, second):
        Layout.of(one).create()
        parts.append(read(render.write(one, programs(one))))
    assert parts[0].keys() == parts[1].keys() == {
        "redis", "orthanc", "relay", "api", "intake", "worker", "beat", "nginx", "haproxy"
    }  # fmt: skip
    for name in parts[0]:
        assert parts[0][name] != parts[1][name], name
        assert str(tmp_path / "b") not in str(parts[0][name])
    names = {
        word
        for part in parts
        for name in ("intake", "worker")
        for word in shlex.split(str(part[name]["command"]))
        if "@%h" in word
    }
    assert len(names) == 4


def test_render_leaves_out_what_somebody_else_runs(tmp_path: Path) -> None:
    chosen = settings(tmp_path, redis_url="redis://queue:6379/0", orthanc_url="http://orthanc:8042")
    assert {p.name for p in programs(chosen)} == {
        "api", "intake", "worker", "beat", "nginx", "haproxy"
    }  # fmt: skip


def test_render_keeps_what_the_site_adds(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    layout = Layout.of(chosen)
    layout.create()
    site = layout.orthanc_folder / "site.json"
    site.write_text('{"DicomModalities": {}}', encoding="utf-8")
    render.write(chosen, programs(chosen))
    render.write(chosen, programs(chosen))
    assert site.read_text(encoding="utf-8") == '{"DicomModalities": {}}'
    assert sorted(f.name for f in layout.orthanc_folder.iterdir()) == [
        "accounts.json",
        "dicom.json",
        "node.json",
        "site.json",
    ]


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("SslEnabled", "NODE_HTTPS_CERTIFICATE_FILE"),
        ("DicomTlsEnabled", "NODE_DICOM_TLS_CERTIFICATE_FILE"),
        ("RegisteredUsers", "users add"),
        ("HttpBindAddresses", "NODE_BIND_ADDRESS"),
    ],
)
def test_render_refuses_by_name_what_the_doors_replaced(
    tmp_path: Path, key: str, instead: str
) -> None:
    chosen = settings(tmp_path)
    layout = Layout.of(chosen)
    layout.create()
    (layout.orthanc_folder / "site.json").write_text(
        f'{{ // ours\n "{key}" : true }}', encoding="utf-8"
    )
    with pytest.raises(SettingsError, match=f"{key}.*{instead}"):
        render.write(chosen, programs(chosen))
