"""Celery's queues as whoever sends to them knows them: names, priorities, a client.

Imported by Orthanc's plugin too, so nothing here needs a compiled package.
"""

import socket
from enum import StrEnum
from typing import Final

from celery import Celery

INTAKE_QUEUE: Final = "intake"
RUN_QUEUE: Final = "triage"
CONSIDER_TASK: Final = "dicom_node.consider"
RUN_TASK: Final = "dicom_node.run"

TRANSPORT_OPTIONS: Final = {
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "health_check_interval": 3,
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: 2,
        socket.TCP_KEEPINTVL: 2,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 8000,
    },
    "queue_order_strategy": "priority",
    "priority_steps": [0, 3, 5, 9],
}
"""Redis transport: a list for each step, and a worker takes from the first that holds something.

A broker on another host that cannot be reached is noticed within eight seconds, lest a worker that
is back waits for an answer that was lost.
"""

USUAL: Final = 5
"""The priority of a message about which nothing is known."""


class Level(StrEnum):
    """What an id names."""

    STUDY_UID = "study_uid"
    ORTHANC_STUDY = "orthanc_study"
    ORTHANC_SERIES = "orthanc_series"


def connect(broker_url: str) -> Celery:
    """Prepare a client that never tries twice; the first message opens the connection."""
    client = Celery("dicom-node", broker=broker_url, set_as_current=False)
    client.conf.update(
        broker_transport_options=TRANSPORT_OPTIONS,
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=1,
    )
    return client


def consider(client: Celery, level: Level, identifier: str, trigger: str) -> None:
    """Ask intake to look at a study; raises what the transport raises."""
    client.send_task(
        CONSIDER_TASK, args=[level.value, identifier, trigger], queue=INTAKE_QUEUE, priority=USUAL
    )
