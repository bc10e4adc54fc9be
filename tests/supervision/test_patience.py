"""A wait for a node goes on while something visibly happens, and ends where nothing does."""

from dataclasses import dataclass, field

from dicom_node.supervision.client import Part
from dicom_node.supervision.patience import WINDOW_S, Patience


@dataclass
class Machine:
    """A clock and the processor time of processes."""

    now: float = 0.0
    used: dict[int, float] = field(default_factory=dict)

    def patience(self, deadline_s: float = 120) -> Patience:
        return Patience(deadline_s, lambda: self.now, lambda pid: self.used.get(pid, 0.0))


def part(pid: int) -> Part:
    return Part("worker", "RUNNING", pid, 1, "", "")


def test_node_at_rest_is_waited_for_until_the_deadline() -> None:
    machine = Machine()
    patience = machine.patience()
    assert not patience.is_over("worker: not ready", [part(1)])
    machine.now = 119
    assert not patience.is_over("worker: not ready", [part(1)])
    machine.now = 121
    assert patience.is_over("worker: not ready", [part(1)])


def test_work_and_news_put_the_end_off() -> None:
    machine = Machine()
    patience = machine.patience()
    patience.is_over("api is away", [part(1)])
    for second in range(100, 400, 50):
        machine.now = second
        machine.used[1] = second / 10
        assert not patience.is_over("api is away", [part(1)])
    machine.now += WINDOW_S - 1
    assert not patience.is_over("the models are being loaded", [part(1)])
    machine.now += WINDOW_S + 1
    assert patience.is_over("the models are being loaded", [part(1)])


def test_part_that_dies_and_starts_again_makes_no_progress() -> None:
    machine = Machine()
    patience = machine.patience()
    over = False
    for pid in range(1, 200):
        machine.now = pid * 2.0
        machine.used[pid] = 1.5
        over = patience.is_over(f"worker exited with {pid}", [part(pid)])
    assert over


def test_wait_ends_in_any_case() -> None:
    machine = Machine()
    patience = machine.patience()
    over = False
    for second in range(0, 1300, 10):
        machine.now = machine.used[1] = float(second)
        over = patience.is_over("starting", [part(1)])
    assert over
