"""etcd of the three centres: the votes."""

import http.client

from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, ETCD_PEER_PORT, ETCD_PORT, Lab, address
from secops.lab.servers import Server, program, servers_user


def server(lab: Lab, place: str) -> Server:
    """The member of a centre."""
    peers = ",".join(f"{each}=http://{address(each)}:{ETCD_PEER_PORT}" for each in CENTRES)
    settings = {
        "name": place,
        "data-dir": str(lab.at(place) / "etcd"),
        "listen-client-urls": endpoint(place),
        "advertise-client-urls": endpoint(place),
        "listen-peer-urls": f"http://{address(place)}:{ETCD_PEER_PORT}",
        "initial-advertise-peer-urls": f"http://{address(place)}:{ETCD_PEER_PORT}",
        "initial-cluster": peers,
        "initial-cluster-token": lab.name,
        "heartbeat-interval": "100",
        "election-timeout": "1000",
        "auto-compaction-retention": "1",
    }
    argv = (program("etcd", "etcd-server"), *(f"--{name}={value}" for name, value in settings.items()))
    return Server("etcd", place, argv, lambda: healthy(lab, place), servers_user())


def endpoint(place: str) -> str:
    """Where clients reach the member."""
    return f"http://{address(place)}:{ETCD_PORT}"


def healthy(lab: Lab, place: str) -> bool:
    """Whether the member sees a leader."""
    with inside_namespace(lab.namespace(place)):
        connection = http.client.HTTPConnection(address(place), ETCD_PORT, timeout=1)
        try:
            connection.request("GET", "/health")
            return b'"true"' in connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
