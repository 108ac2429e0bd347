"""etcd of the three centres: the votes."""

import http.client
import json
from base64 import b64decode, b64encode
from typing import Any

from backup.failover.situation import Published, Wish
from secops.lab.inside import inside_namespace
from secops.lab.places import CENTRES, ETCD_PEER_PORT, ETCD_PORT, Lab, address
from secops.lab.servers import Server, program, servers_user
from secops.model.text import Text
from secops.service.agent.documents import Keys, published_of, to_json
from secops.support.errors import Incomplete

_ASK_SECONDS = 2.0


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


def published(lab: Lab, cluster: str) -> Published | None:
    """What holds in a cluster; None when nothing was published. Raises Incomplete when no majority answers."""
    found = _post(lab, "range", {"key": _coded(keys(lab).published(cluster).encode())}).get("kvs")
    return published_of(b64decode(found[0]["value"])) if found else None


def wish(lab: Lab, cluster: str, wanted: Wish) -> None:
    """Put somebody's word before the leader. Raises Incomplete when no majority answers."""
    key = f"{keys(lab).wishes(cluster)}{wanted.id}"
    _post(lab, "put", {"key": _coded(key.encode()), "value": _coded(to_json(wanted))})


def keys(lab: Lab) -> Keys:
    """Where the daemons of the lab keep things."""
    return Keys(prefix(lab))


def prefix(lab: Lab) -> str:
    """Of all keys; ends with a slash."""
    return f"/jindun/{lab.name}/"


def _post(lab: Lab, what: str, body: dict[str, str]) -> dict[str, Any]:
    said = ""
    for place in CENTRES:
        with inside_namespace(lab.namespace(place)):
            connection = http.client.HTTPConnection(address(place), ETCD_PORT, timeout=_ASK_SECONDS)
            try:
                connection.request("POST", f"/v3/kv/{what}", json.dumps(body))
                answer = connection.getresponse()
                told: dict[str, Any] = json.loads(answer.read())
                if answer.status == 200:
                    return told
                said = str(told)
            except (OSError, ValueError, http.client.HTTPException) as error:
                said = str(error)
            finally:
                connection.close()
    raise Incomplete(Text(f"etcd 没有应答:{said}", f"etcd does not answer: {said}"))


def _coded(value: bytes) -> str:
    return b64encode(value).decode()
