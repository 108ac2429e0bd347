"""The WAN between the namespaces, in user space: delay, jitter, loss, bandwidth, cuts in one direction or both.

A program of its own: `router.py SOCKET NAMESPACE=NAME …` makes a TUN device `wan0` in each namespace, holds it and passes
packets on. The device is gone with this process. Commands come as lines of JSON over a unix socket:
`{"show": true}`, `{"from": "c1", "to": "c2", "cut": true}`, `{"from": …, "to": …, "delay_ms": 15, "jitter_ms": 2,
"loss_percent": 1, "kbit": 1000}`; each is answered with all links. Kernels without netem can run it. Imports the standard
library only.

A packet's source is the device it came from, its target the third byte of the IPv4 address (10.87.N.x).
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x0001 | 0x1000
_DEVICE = b"wan0"
_MTU = 65_535
_BATCH = 32
_TARGET_BYTE = 18
_QUEUE_BYTES = 8 << 20
"""What waits for one link at most; more is dropped, as a real router does."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Link:
    """One direction between two places."""

    cut: bool = False
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    """Added at random between 0 and this, keeping the order of packets."""
    loss_percent: float = 0.0
    kbit: float = 0.0
    """Bandwidth in kbit/s; 0: unlimited."""
    passed: int = 0
    dropped: int = 0
    free_at: float = 0.0
    last_due: float = 0.0
    waiting_bytes: int = 0

    def due(self, now: float, size: int) -> float:
        """When a packet that arrived now leaves at the other end; 0 when it never does."""
        lost = self.loss_percent and random.random() * 100 < self.loss_percent  # noqa: S311
        if self.cut or lost or self.waiting_bytes > _QUEUE_BYTES:
            self.dropped += 1
            return 0.0
        self.passed += 1
        leaves = now
        if self.kbit:
            leaves = self.free_at = max(now, self.free_at) + size * 8 / (self.kbit * 1000)
        arrives = leaves + (self.delay_ms + random.random() * self.jitter_ms) / 1000  # noqa: S311
        self.last_due = max(arrives, self.last_due)
        return self.last_due


class Router:
    """Passes packets between devices until it is told to end."""

    def __init__(self, devices: dict[str, int], control: socket.socket) -> None:
        self._devices = devices
        self._control = control
        self._names = dict(enumerate(devices, start=1))
        self.links = {(one, other): Link() for one in devices for other in devices if one != other}
        self._by_target = {
            (device, number): (self.links[(name, other)], devices[other])
            for name, device in devices.items()
            for number, other in self._names.items()
            if other != name
        }
        self._waiting: list[tuple[float, int, int, bytes, Link]] = []
        self._count = 0

    def run(self) -> None:
        """For ever."""
        readers: list[int | socket.socket] = [*self._devices.values(), self._control]
        while True:
            # select, for its time limit has microseconds where those of poll and epoll have milliseconds.
            ready, _, _ = select.select(readers, (), (), self._patience())
            for reader in ready:
                if isinstance(reader, int):
                    self._take(reader)
                else:
                    self._obey()
            self._send(time.monotonic())

    def _patience(self) -> float | None:
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def _take(self, device: int) -> None:
        now = time.monotonic()
        for _ in range(_BATCH):
            try:
                packet = os.read(device, _MTU)
            except (BlockingIOError, OSError):
                return
            # IPv6 chatter of the devices has no way.
            if len(packet) < 20 or packet[0] >> 4 != 4:
                continue
            way = self._by_target.get((device, packet[_TARGET_BYTE]))
            if way and (due := way[0].due(now, len(packet))):
                self._count += 1
                way[0].waiting_bytes += len(packet)
                heapq.heappush(self._waiting, (due, self._count, way[1], packet, way[0]))

    def _send(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, _, device, packet, link = heapq.heappop(self._waiting)
            link.waiting_bytes -= len(packet)
            if link.cut:  # what is on the way when the line is cut does not arrive either
                link.dropped += 1
                continue
            try:
                os.write(device, packet)
            except OSError:
                link.dropped += 1

    def _obey(self) -> None:
        channel, _ = self._control.accept()
        with channel:
            channel.settimeout(1)
            try:
                for line in channel.makefile():
                    channel.sendall(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
                    break
            except (OSError, ValueError, KeyError, TypeError) as error:
                print(f"refused: {error!r}", file=sys.stderr, flush=True)

    def _answer(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        if "from" in told:
            link = self.links[(told.pop("from"), told.pop("to"))]
            for name, value in told.items():
                setattr(link, name, type(getattr(link, name))(value))
            link.free_at = link.last_due = 0.0
        return [{"from": one, "to": other, **asdict(link)} for (one, other), link in self.links.items()]


def open_device(namespace: str) -> int:
    """A new TUN device inside the namespace at that path; this process ends up in the namespace."""
    enter(namespace)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22s", _DEVICE, _IFF_TUN_NO_PI, b""))
    return device


def enter(namespace: str) -> None:
    """Go there."""
    with Path(namespace).open() as handle:
        if _libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def main() -> None:
    """Serve until SIGTERM."""
    place, *pairs = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    home = f"/proc/self/fd/{os.open('/proc/self/ns/net', os.O_RDONLY)}"
    devices = {name: open_device(path) for name, path in (pair.split("=", 1) for pair in pairs)}
    enter(home)
    control = socket.socket(socket.AF_UNIX)
    fresh = f"{place}.new"
    Path(fresh).unlink(missing_ok=True)
    control.bind(fresh)
    control.listen(8)
    Path(fresh).rename(place)
    Router(devices, control).run()


if __name__ == "__main__":
    main()
