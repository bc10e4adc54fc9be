"""The sweep's clock, when the machine's is set back."""

from datetime import timedelta
from pathlib import Path

import pytest
from celery.beat import Service

from worker.app import app
from worker.clock import Steady


def test_sweep_runs_at_once_after_the_clock_was_set_back_by_an_hour() -> None:
    every = Steady(2, app=app)
    due, wait_s = every.is_due(every.now() + timedelta(hours=1))
    assert due
    assert wait_s == 2


def test_sweep_waits_for_its_time_otherwise() -> None:
    every = Steady(60, app=app)
    due, wait_s = every.is_due(every.now() - timedelta(seconds=10))
    assert not due
    assert 0 < wait_s <= 50
    assert every.is_due(every.now() - timedelta(seconds=61)).is_due


def test_clock_keeps_its_times_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scheduler = Service(app, scheduler_cls=app.conf.beat_scheduler).get_scheduler()
    assert {type(entry.schedule) for entry in scheduler.schedule.values()} == {Steady}
    scheduler.sync()
    scheduler.close()
    assert list(tmp_path.iterdir()) == []
