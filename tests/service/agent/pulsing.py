"""A pulse in a process of its own: `pulsing.py PORT FILE` guards the cluster `orders` while there is no such file."""

import asyncio
import sys
from pathlib import Path

from secops.service.agent.pulse import Pulse


def main(port: int, unknown: Path) -> None:
    asyncio.run(Pulse("127.0.0.1", port, lambda name: not unknown.exists() if name == "orders" else None).run())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
