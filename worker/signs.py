"""A worker's signs of life in the ledger: whether it takes studies, and what it reads them with."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import psutil

from dicom_node import log
from dicom_node.domain import ServedModel, StudyKind, WorkerSign
from dicom_node.errors import DeviceLost, NodeError
from dicom_node.ledger import Ledger

SIGN_OF_LIFE_S: Final = 10.0
_FRESH_S: Final = 6 * SIGN_OF_LIFE_S


class Signs:
    """Says every ten seconds what was said last, for as long as this process lives.

    The name is the host's and the main process's, which outlives the pool's.
    """

    def __init__(
        self, ledger: Ledger, kinds: Sequence[StudyKind], lost: Callable[[str], None]
    ) -> None:
        self._ledger = ledger
        self._kinds = tuple(kinds)
        self._host = socket.gethostname()
        self.name = f"{self._host}:{os.getppid()}"
        self._sign = WorkerSign(self.name, False, "", "", datetime.now(UTC))
        self._models: Callable[[], Sequence[ServedModel]] = tuple
        self._probe: Callable[[], None] = _nothing
        self._lost = lost
        self._saying = threading.Lock()
        threading.Thread(target=self._repeat, daemon=True, name="sign-of-life").start()

    def ready(
        self,
        device: str,
        models: Callable[[], Sequence[ServedModel]],
        probe: Callable[[], None],
    ) -> None:
        """Say from now on that this worker takes studies, and publish its models.

        ``probe`` is asked before each sign; it raises DeviceLost, after which this process ends.
        """
        with self._saying:
            self._models, self._probe = models, probe
            self._sign = replace(self._sign, ready=True, message="takes studies", device=device)
            self._say()

    def unfit(self, reason: str) -> None:
        """Say from now on that this worker takes no study.

        Where no other one takes any, the models that were served are not fit either.
        """
        with self._saying:
            self._models, self._probe = tuple, _nothing
            self._sign = replace(self._sign, ready=False, message=reason, device="")
            self._say()
            if not self._others():
                self._withdraw(reason)

    def forget(self) -> None:
        """Take this worker out of the ledger: it ends in good order."""
        with self._saying:
            self._ledger.workers.forget(self.name)

    def _say(self) -> None:
        now = datetime.now(UTC)
        self._ledger.workers.sign_of_life(replace(self._sign, seen_at=now), self._gone(now))
        if models := self._models():
            self._ledger.studies.publish([replace(model, seen_at=now) for model in models])

    def _gone(self, now: datetime) -> list[str]:
        """Name the workers of this host whose process has ended."""
        names = (one.name.rpartition(":") for one in self._ledger.workers.known(now))
        return [
            f"{host}:{pid}"
            for host, _, pid in names
            if host == self._host and not psutil.pid_exists(int(pid))
        ]

    def _others(self) -> bool:
        now = datetime.now(UTC)
        return any(
            one.ready and (now - one.seen_at).total_seconds() < _FRESH_S
            for one in self._ledger.workers.known(now)
        )

    def _withdraw(self, reason: str) -> None:
        """Say of each model that was ever served that it is not fit now."""
        known = (self._ledger.studies.served_model(kind) for kind in self._kinds)
        now = datetime.now(UTC)
        self._ledger.studies.publish(
            [replace(one, ready=False, message=reason, seen_at=now) for one in known if one]
        )

    def _repeat(self) -> None:
        pause = threading.Event()
        while not pause.wait(SIGN_OF_LIFE_S):
            try:
                self._probe()
                with self._saying:
                    self._say()
            except DeviceLost as exc:
                self._lost(str(exc))
            except NodeError as exc:  # the ledger is away: the next sign of life will tell
                log.get().warning("worker.sign_of_life", error=str(exc))


def _nothing() -> None:
    """Ask nothing: no models are loaded."""
