"""What is not needed is not imported; what a daemon may need is there before the disaster."""

import subprocess
import sys

_ASKS = """
import sys
import secops.service.home
from secops.support.lazy import import_all
heavy = ("aiohttp", "celpy", "psycopg")
print([name in sys.modules for name in heavy])
import_all()
print([name in sys.modules for name in heavy])
"""


def test_heavy_libraries_come_when_they_are_needed_or_all_at_once() -> None:
    done = subprocess.run((sys.executable, "-c", _ASKS), capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == [str([False] * 3), str([True] * 3)]
