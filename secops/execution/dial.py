"""Opening TCP connections within a deadline, to addresses that were looked at first."""

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable

from secops.support.language import say

Guard = Callable[[str, int], bool]
"""Whether a connection to this IP address and port may be opened."""


class NotAllowed(Exception):
    """The guard refused every address of the host; its argument is the last of them."""


def dial(host: str, port: int, deadline: float, allowed: Guard | None = None) -> socket.socket:
    """A connection to the first address of `host` that is allowed and answers before `deadline` (monotonic clock).

    Raises NotAllowed when the guard refused all addresses, else OSError; ConnectionError when there was no answer in
    time, so that TimeoutError is left for those who were connected.
    """
    try:
        return _dial(host, port, deadline, allowed)
    except TimeoutError:
        raise ConnectionError(say(zh="限时内没有应答", en="no answer in time")) from None


def _dial(host: str, port: int, deadline: float, allowed: Guard | None) -> socket.socket:
    refused = ""
    problem: OSError | None = None
    for address in _addresses(host, port, deadline):
        if allowed and not allowed(address, port):
            refused = address
            continue
        try:
            return socket.create_connection((address, port), timeout=left(deadline))
        except OSError as error:
            problem = error
    if problem:
        raise problem
    raise NotAllowed(refused)


def left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError when it has passed."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def _addresses(host: str, port: int, deadline: float) -> list[str]:
    """IP addresses of the host, in the system's order of preference."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return _resolve(host, port, deadline)


def _resolve(host: str, port: int, deadline: float) -> list[str]:
    """The resolver knows no deadline, so it is waited for in a thread of its own."""
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except OSError as error:
            answers.put(error)
        except UnicodeError:
            answers.put(OSError(say(zh=f"不是合法的主机名:{host}", en=f"not a host name: {host}")))

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=left(deadline))
    except queue.Empty:
        raise ConnectionError(
            say(zh=f"未能及时解析名称 {host}", en=f"the name {host} was not resolved in time")
        ) from None
    if isinstance(answer, OSError):
        raise answer
    return answer
