"""Asks and changes one name at the primary name server of its zone; a program of its own, told by JSON on its input.

RFC 2136 updates signed by TSIG (RFC 8945), over TCP. The only module that knows dnspython. Prints the addresses that the
name has afterwards, one a line; exit code 1 and the reason on the error output when it could not be done.
"""

import json
import sys
from dataclasses import dataclass

import dns.exception
import dns.inet
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update

_KINDS = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class Order:
    """What the program is told."""

    server: str
    port: int
    zone: str
    name: str
    timeout_seconds: float
    key: str = ""
    secret: str = ""
    """Base64. Without a key the name is only asked for."""
    ttl_seconds: int = 1
    addresses: tuple[str, ...] = ()
    """What the name is to have, and nothing else; none: no address at all."""


def main() -> int:
    """Carry out the order on standard input."""
    order = Order(**json.load(sys.stdin))
    try:
        if order.key:
            _update(order)
        sys.stdout.writelines(f"{address}\n" for address in _ask(order))
    except (dns.exception.DNSException, OSError, ValueError) as error:
        sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        return 1
    return 0


def _update(order: Order) -> None:
    """In one message, so that nobody sees the name with two members or with none in between."""
    ring = dns.tsigkeyring.from_text({order.key: order.secret.strip()})
    update = dns.update.UpdateMessage(order.zone, keyring=ring, keyalgorithm=dns.tsig.HMAC_SHA256)
    name = f"{order.name.rstrip('.')}."
    for kind in _KINDS:
        update.delete(name, kind)
    for address in order.addresses:
        kind = "AAAA" if dns.inet.af_for_address(address) == dns.inet.AF_INET6 else "A"
        update.add(name, order.ttl_seconds, kind, address)
    answer = dns.query.tcp(update, order.server, order.timeout_seconds, order.port)
    if answer.rcode() != dns.rcode.NOERROR:
        raise ValueError(f"the name server refuses: {dns.rcode.to_text(answer.rcode())}")


def _ask(order: Order) -> list[str]:
    found = []
    for kind in _KINDS:
        asked = dns.message.make_query(f"{order.name.rstrip('.')}.", kind)
        answer = dns.query.tcp(asked, order.server, order.timeout_seconds, order.port)
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise ValueError(f"the name server answers: {dns.rcode.to_text(answer.rcode())}")
        found += [record.address for rows in answer.answer for record in rows if hasattr(record, "address")]
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main())
