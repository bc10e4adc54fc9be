"""What a worker process loads."""

import subprocess
import sys


def test_intake_and_beat_load_no_torch() -> None:
    code = "import sys, worker.tasks; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode == 0
