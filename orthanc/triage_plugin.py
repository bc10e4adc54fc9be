# SPDX-License-Identifier: AGPL-3.0-or-later
# Copyright (C) 2026 the dicom-node developers
"""Orthanc's side of the node: hand ids to the queue, turn images away that have no room.

Runs inside Orthanc (orthanc-python 4.0 and later) and is thin on purpose: it decides nothing and
stores nothing. What it misses, reconcile finds in the change log. It imports no compiled package,
so that the node's Python may be another than the one that Orthanc embeds.
"""

import json
import socket
import sys
from pathlib import Path
from typing import Any

import orthanc
from dicom_node import checkpoints, foreign, log
from dicom_node.intake import broker
from dicom_node.intake.broker import Level
from dicom_node.intake.room import Room, Tally
from dicom_node.storable import NOT_SUPPORTED, Storable

_TRIGGER = "STABLE"
_CHANGES = {
    orthanc.ChangeType.NEW_STUDY: Level.ORTHANC_STUDY,
    orthanc.ChangeType.STABLE_SERIES: Level.ORTHANC_SERIES,
}


def on_change(change: int, _level: int, resource: str) -> None:
    """Hand the id of a new study or a stable series to intake."""
    level = _CHANGES.get(change)
    if level is None:
        return
    try:
        with checkpoints.around(checkpoints.Step.NOTIFY):
            broker.consider(_QUEUE, level, resource, _TRIGGER)
    except Exception as exc:  # noqa: BLE001  # the outer boundary: reconcile picks it up
        log.get().warning("plugin.dispatch_failed", orthanc_id=resource, error=type(exc).__name__)


def take(instance: "orthanc.DicomInstance") -> int:
    """Answer a C-STORE: 0x0122 for a class that is not stored, 0xA700 where there is no room."""
    if not _STORABLE.takes(json.loads(instance.GetInstanceSimplifiedJson()).get("SOPClassUID", "")):
        return NOT_SUPPORTED
    return _ROOM.status(instance.GetInstanceSize())


def _keep_to(address: str) -> None:
    """End Orthanc before it listens, where the library that keeps it on its address is gone."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        bound = probe.getsockname()[0]
    if address and bound != address:
        raise RuntimeError(f"Orthanc would listen on {bound} instead of {address}")


def _room(site: dict[str, Any], storage: Path) -> Room:
    tally = Tally(Path(site["Tally"]))
    return Room((storage,), site["DiskReserveBytes"], tally.read, site["QueueLimit"])


_CONFIGURATION = json.loads(orthanc.GetConfiguration())
_SITE = _CONFIGURATION["Triage"]
log.configure(_SITE["LogLevel"])
foreign.contain()
_keep_to(_SITE["Address"])
checkpoints.enable(Path(_SITE["Checkpoints"]) if _SITE["Checkpoints"] else None)
_STORABLE = Storable.of_policy(Path(_SITE["Policy"]) if _SITE["Policy"] else None)
_QUEUE = broker.connect(_SITE["Broker"])
_ROOM = _room(_SITE, Path(_CONFIGURATION["StorageDirectory"]))
_ROOM.watch()
orthanc.RegisterOnChangeCallback(on_change)
orthanc.RegisterIncomingCStoreInstanceFilter(take)
# Orthanc puts the script's folder first on the path.
_EXPLORER = Path(sys.path[0]) / "viewer" / "explorer.js"
orthanc.ExtendOrthancExplorer(_EXPLORER.read_text(encoding="utf-8"))
