"""Adds and judges points until it is killed, naming each on standard output once it is done."""

import sys
from itertools import count
from pathlib import Path

from backup.catalogue import Catalogue
from tests.backup.points import CLEAN, MANIFEST, point

if __name__ == "__main__":
    with Catalogue(Path(sys.argv[1])) as catalogue:
        for number in count():
            catalogue.add(point(f"n{number}", number), MANIFEST.text)
            catalogue.judge(f"v1/n{number}", CLEAN)
            print(number, flush=True)
