"""The process in which inputs run: what kills it, or keeps it too long, is a finding.

    python -m bench.fuzz.child TARGET SEED FIRST END SEEDS_FOLDER

For each input one line when it begins, one when it has ended (JSON), on standard output.
"""

import faulthandler
import json
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Final

import structlog

from bench.fuzz import targets
from dicom_node import foreign
from dicom_node.errors import NodeError, StudyRefused

_ROOM_BYTES: Final = 1_500_000_000
"""Address space that one input may take beyond what the program has at its start."""


def main(target: str, seed: int, first: int, end: int, folder: Path) -> None:
    """Run the inputs one after another."""
    faulthandler.enable()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    foreign.contain()
    _outcome(target, targets.study(target, seed, -1, folder))  # imports and loads what is lazy
    _limit_memory()
    for index in range(first, end):
        print(json.dumps({"begins": index}), flush=True)
        study = targets.study(target, seed, index, folder)
        started = time.perf_counter()
        outcome, fault = _outcome(target, study)
        took = time.perf_counter() - started
        line = {"ended": index, "outcome": outcome, "fault": fault, "took_s": round(took, 3)}
        print(json.dumps(line), flush=True)


def _outcome(target: str, study: targets.Study) -> tuple[str, str]:
    """Return what became of an input, and the traceback where that is a fault."""
    try:
        return targets.TARGETS[target].call(study), ""
    except StudyRefused as exc:
        return exc.code, ""
    except NodeError as exc:
        return type(exc).__name__, ""
    except Exception as exc:  # noqa: BLE001  # a finding, whatever it is
        return f"unhandled {type(exc).__name__}", traceback.format_exc()


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limit = pages * resource.getpagesize() + _ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    name, *numbers, where = sys.argv[1:]
    main(name, *map(int, numbers), Path(where))  # type: ignore[arg-type, call-arg]
