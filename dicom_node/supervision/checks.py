"""What the node needs of the machine, checked before anybody wonders."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from dicom_node import policy, secret
from dicom_node.errors import LedgerDamaged, NodeError, SettingsError
from dicom_node.policy import Policy
from dicom_node.settings import Settings
from dicom_node.supervision import binding, lifecycle, listeners, opening
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import CHECKOUT, ORTHANC_FILE, PLUGIN_FILE, tool

_OLDEST_PYTHON = (3, 11)
_PLUGINS = Path("/usr/share/orthanc/plugins")
_GIB = 1 << 30
_LEAST_INODES = 1000
"""As in intake/room.py, by which images are refused."""
_TOOL_TIMEOUT_S = 20


class Outcome(StrEnum):
    """How a check went; a warning does not stop the node."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One check with what was found and, unless it is fine, what to do."""

    name: str
    outcome: Outcome
    found: str
    advice: str = ""


def run(settings: Settings) -> tuple[Check, ...]:
    """Run every check; none of them changes anything or raises."""
    return tuple(check for checks in _CHECKS for check in checks(settings))


def _result(name: str, fine: bool, found: str, advice: str) -> Check:
    if fine:
        return Check(name, Outcome.OK, found)
    return Check(name, Outcome.FAILED, found, advice)


def _python(_: Settings) -> Iterator[Check]:
    version = sys.version_info[:2]
    found = ".".join(map(str, sys.version_info[:3]))
    advice = "use Debian 12 or Ubuntu 24.04 or later, then run script/setup"
    yield _result("python", version >= _OLDEST_PYTHON, found, advice)
    embedded = f"libpython{version[0]}.{version[1]}.so"
    library = _PLUGINS / "libOrthancPython.so"
    linked = _output("ldd", str(library)) if library.exists() else "plugin missing"
    same = embedded in linked
    yield _result(
        "python in Orthanc",
        same,
        f"the same {version[0]}.{version[1]}" if same else "another version than .venv's",
        "remove .venv and run script/setup: it takes /usr/bin/python3",
    )


def _tools(_: Settings) -> Iterator[Check]:
    for name in ("Orthanc", "redis-server", "nginx", "haproxy"):
        try:
            path = tool(name)
        except SettingsError as exc:
            yield Check(name, Outcome.FAILED, "not installed", str(exc))
        else:
            yield Check(name, Outcome.OK, _output(path, "--version").partition("\n")[0])
    for name in ("storescu", "findscu", "getscu", "dsrdump"):
        found = shutil.which(name)
        outcome = Outcome.OK if found else Outcome.WARNING
        yield Check(name, outcome, found or "not installed", "" if found else "run script/setup")


def _plugin_files(_: Settings) -> Iterator[Check]:
    names = ("libOrthancDicomWeb.so", "libOrthancPython.so")
    for file in (*(_PLUGINS / name for name in names), ORTHANC_FILE, PLUGIN_FILE):
        there = file.is_file()
        yield _result(file.name, there, str(file) if there else "missing", "run script/setup")


def _viewer(settings: Settings) -> Iterator[Check]:
    if (settings.viewer / "index.html").is_file():
        yield Check("viewer", Outcome.OK, str(settings.viewer))
    else:
        yield Check("viewer", Outcome.WARNING, "not installed", "run script/viewer")


def _settings(settings: Settings) -> Iterator[Check]:
    try:
        chosen = policy.load(settings.policy)
    except SettingsError as exc:
        yield Check("policy", Outcome.FAILED, str(exc), "correct the file that NODE_POLICY names")
    else:
        yield Check("policy", Outcome.OK, f"version {chosen.version}, sha256 {chosen.hash[:12]}")
    if settings.checkpoints is not None:
        found = f"NODE_CHECKPOINTS is set: whoever writes in {settings.checkpoints} stops the node"
        yield Check("checkpoints", Outcome.WARNING, found, "for fault tests only: unset it")


def network(settings: Settings) -> Iterator[Check]:
    """Check that the ports are where they should be, and who may call the DICOM port."""
    if settings.orthanc_url:
        return
    told = (f"{use} on {address}" for use, _, address in listeners.doors(settings))
    found, advice = ", ".join(told), ""
    try:
        if lifecycle.is_running(settings):
            strays = lifecycle.strays(settings, lifecycle.state(settings))
            advice = f"the node also listens on {', '.join(strays)}: end it" if strays else ""
        else:
            with tempfile.TemporaryDirectory() as folder:
                trial = Layout(Path(folder), Path(folder))
                trial.library_folder.mkdir()
                binding.prepare(trial, settings.orthanc_address)
    except SettingsError as exc:
        advice = str(exc)
    yield _result("network", not advice, found, advice)
    yield _dicom_callers(settings)


def _dicom_callers(settings: Settings) -> Check:
    try:
        opening.require_strict(settings)
    except SettingsError as exc:
        return Check("DICOM callers", Outcome.FAILED, "too open", str(exc))
    proof = "with a certificate" if opening.has_tls(settings) else "plain, without any proof"
    who = f"{len(settings.modalities)} named modalities" if settings.modalities else "any AE title"
    if opening.is_plain_and_open(settings):
        advice = "anybody who reaches the port can send and fetch images: see docs/network.md"
        return Check("DICOM callers", Outcome.WARNING, f"{who}, {proof}", advice)
    return Check("DICOM callers", Outcome.OK, f"{who}, {proof}")


def secrets(settings: Settings) -> Iterator[Check]:
    """Check that secrets are in files that can be read, and by few."""
    for name, file in settings.secret_files.items():
        try:
            secret.read(file)
        except SettingsError as exc:
            yield Check(name, Outcome.FAILED, str(exc), "write the secret into it, for the node")
            continue
        if secret.is_open_to_others(file):
            found = f"every account of this machine may read {file}"
            yield Check(name, Outcome.WARNING, found, f"chmod o= {file}")
        else:
            yield Check(name, Outcome.OK, str(file))
    for name, url, instead in (
        ("NODE_DATABASE_URL", settings.database_url, "NODE_DATABASE_PASSWORD_FILE, or a passfile"),
        ("NODE_REDIS_URL", settings.redis_url, "NODE_REDIS_PASSWORD_FILE"),
        ("NODE_ORTHANC_URL", settings.orthanc_url, "NODE_ORTHANC_USER and _PASSWORD_FILE"),
    ):
        if secret.is_in_url(url):
            yield Check(name, Outcome.WARNING, "holds a password", f"use {instead}")


def _home(settings: Settings) -> Iterator[Check]:
    home = Layout.of(settings).home
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    writable = os.access(nearest, os.W_OK | os.X_OK)
    yield _result("NODE_HOME", writable, str(home), f"make {nearest} writable, or set NODE_HOME")
    for folder in (nearest, Layout.of(settings).orthanc_storage):
        if folder.exists():
            yield _space(folder, settings.disk_reserve_bytes)


def _space(folder: Path, reserve: int) -> Check:
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    found = f"{free / _GIB:.1f} GiB free at {folder}, {reserve / _GIB:.1f} kept for reports"
    advice = "images are refused: remove old studies in Orthanc, or lower NODE_DISK_RESERVE_BYTES"
    if disk.f_files and disk.f_favail < _LEAST_INODES:
        found = f"room for {disk.f_favail} more files at {folder}, {_LEAST_INODES} kept for reports"
        return Check("disk", Outcome.FAILED, found, "images are refused: remove old studies")
    return _result("disk", free >= reserve, found, advice)


def _ledger(settings: Settings) -> Iterator[Check]:
    """Check that SQLite's file is sound; a server looks after its own."""
    file = settings.ledger_file
    if file is None or not file.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as exc:
        found = str(exc)
    sound = found == "ok"
    yield _result(
        "ledger", sound, str(file) if sound else f"{file}: {found}", LedgerDamaged.advice(file)
    )


def _ports(settings: Settings) -> Iterator[Check]:
    ours = lifecycle.is_running(settings)
    for use, port, address in listeners.doors(settings):
        try:
            listeners.require_port(port, use, address)
        except NodeError as exc:
            outcome = Outcome.OK if ours else Outcome.FAILED
            found = f"{port}, used by this node" if ours else "taken"
            yield Check(f"{use} port", outcome, found, "" if ours else str(exc))
        else:
            yield Check(f"{use} port", Outcome.OK, f"{port}, free")


def _weights(_: Settings) -> Iterator[Check]:
    cards = sorted((CHECKOUT / "models").glob("*/card.toml"))
    if not cards:
        yield Check("models", Outcome.FAILED, "no model is shipped", "run dicom-node models train")
    for card in cards:
        sound, found = _weights_of(card)
        advice = "restore the model's folder from the repository, or train it"
        yield _result(f"model {card.parent.name}", sound, found, advice)


def _site_models(settings: Settings) -> Iterator[Check]:
    """Check the site's own models; what reports nothing is worth a warning and no more."""
    served = set(_rules(settings).models.values())
    for model in settings.site_models:
        sound, found = _weights_of(model.folder / "card.toml")
        if sound:
            yield Check(f"model {model.name}", Outcome.OK, f"{found}, like {model.like}")
            continue
        outcome = Outcome.FAILED if model.name in served else Outcome.WARNING
        advice = f"restore {model.folder}, or take {model.name} out of NODE_MODELS"
        yield Check(f"model {model.name}", outcome, found, advice)


def _policy_models(settings: Settings) -> Iterator[Check]:
    """Check that the names in the policy are those of models."""
    rules = _rules(settings)
    known = {model.name for model in settings.site_models} | set(_shipped_names())
    for use, named, amiss in (
        ("served", rules.models, Outcome.FAILED),
        ("shadow", rules.shadow, Outcome.WARNING),
    ):
        for kind, name in named.items():
            there = name in known
            advice = (
                "" if there else "see dicom-node models list; correct the policy or NODE_MODELS"
            )
            found = name if there else f"no model is named {name}"
            yield Check(f"{use} {kind}", Outcome.OK if there else amiss, found, advice)


def _rules(settings: Settings) -> Policy:
    """Return the site's policy, or the shipped one where `_settings` tells what is wrong."""
    try:
        return policy.load(settings.policy)
    except SettingsError:
        return policy.load()


def _shipped_names() -> Iterator[str]:
    for card in (CHECKOUT / "models").glob("*/card.toml"):
        try:
            yield str(tomllib.loads(card.read_text(encoding="utf-8"))["name"])
        except (tomllib.TOMLDecodeError, KeyError, OSError):
            continue  # `_weights` tells what is wrong with it


def _weights_of(card: Path) -> tuple[bool, str]:
    try:
        entry = tomllib.loads(card.read_text(encoding="utf-8"))["weights"]
        file, sha256 = card.with_name(entry["file"]), str(entry["sha256"])
    except (tomllib.TOMLDecodeError, KeyError, OSError) as exc:
        return False, f"{card.name} names no weights: {exc}"
    if not file.is_file():
        return False, f"{file.name} is missing"
    if _sha256(file) != sha256:
        return False, f"{file.name} is not the file that its card names"
    return True, f"sha256 {sha256[:12]}"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # a tool by its full path, without user input
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TOOL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"does not run: {exc}"
    return done.stdout


_CHECKS: tuple[Callable[[Settings], Iterator[Check]], ...] = (
    _python,
    _tools,
    _plugin_files,
    _viewer,
    _settings,
    network,
    secrets,
    _home,
    _ledger,
    _ports,
    _weights,
    _site_models,
    _policy_models,
)
