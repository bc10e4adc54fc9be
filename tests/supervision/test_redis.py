"""The node's own Redis, as it is rendered."""

import os
import subprocess
from pathlib import Path

import psutil

from dicom_node.settings import Settings
from dicom_node.supervision import render
from dicom_node.supervision.home import Layout
from dicom_node.supervision.programs import tool
from tests.nodes import NotYetError, eventually


def test_redis_keeps_the_mark_by_which_an_orphan_is_found(tmp_path: Path) -> None:
    """Where supervisord was killed, `up` must end its Redis before it starts another."""
    layout = Layout.of(Settings(home=tmp_path))
    layout.create()
    layout.redis_file.write_text(render.redis(layout), encoding="utf-8")
    process = subprocess.Popen(
        [tool("redis-server"), str(layout.redis_file)],
        env={**os.environ, "SUPERVISOR_SERVER_URL": "unix:///ours"},
        stdout=subprocess.DEVNULL,
    )
    try:
        for attempt in eventually():
            with attempt:
                if not (layout.sockets / "redis.sock").exists():
                    raise NotYetError("Redis does not listen")
        environment = psutil.Process(process.pid).environ()
    finally:
        process.terminate()
        process.wait(60)
    assert environment["SUPERVISOR_SERVER_URL"] == "unix:///ours"
