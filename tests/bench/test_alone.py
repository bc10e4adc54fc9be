"""``python -m bench.latency`` needs what script/setup installs, and no more."""

import subprocess
import sys


def test_latency_imports_neither_tests_nor_their_tools() -> None:
    code = (
        "import sys, bench.latency;"
        "found = {'tests', 'pytest', 'tenacity', 'hypothesis', 'playwright'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(found)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
