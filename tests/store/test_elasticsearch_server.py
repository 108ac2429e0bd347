"""How a server is reached and trusted, and what becomes of each write, against real ones."""

import hashlib
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_documents import Kind
from secops.store.elasticsearch_errors import (
    Blocked,
    Busy,
    IndexMissing,
    LoginRefused,
    TooLarge,
    Unreachable,
    Untrusted,
    WrongProduct,
)
from secops.store.elasticsearch_indices import Indices
from secops.store.elasticsearch_json import Document
from secops.store.elasticsearch_server import Action, ElasticsearchServer, Found, Status
from secops.support.errors import BadInput
from tests.contracts.evaluations import START
from tests.lab.certificates import issue
from tests.lab.elasticsearch import PASSWORD, USER, Server, connect, running_cluster, shared_elasticsearch
from tests.lab.nginx import running_nginx
from tests.lab.sshd import free_port
from tests.store.elasticsearch_lab import fresh_indices, written

SMALL: Document = {"jindun": {"revision": 1}}


def opened(access: Access) -> ElasticsearchServer:
    server = ElasticsearchServer(access)
    server.health()
    return server


def fingerprint(server: Server) -> str:
    assert server.authority
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(server.authority.read_text())).hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("elasticsearch-secured")
class TestSecured:
    @pytest.fixture
    def secured(self) -> Server:
        return shared_elasticsearch(secured=True)

    @pytest.mark.parametrize("how", ["ca_file", "fingerprint", "insecure"])
    def test_a_trusted_server_and_a_good_login_do(self, secured: Server, how: str) -> None:
        trust = {"ca_file": str(secured.authority), "fingerprint": fingerprint(secured), "insecure": True}
        server = opened(Access(secured.urls, user=USER, password=PASSWORD, **{how: trust[how]}))  # type: ignore[arg-type]
        server.close()

    @pytest.mark.parametrize("trust", ["nothing", "another authority", "another fingerprint"])
    def test_a_server_that_nobody_vouches_for_gets_nothing(self, secured: Server, tmp_path: Path, trust: str) -> None:
        ways = {
            "nothing": {},
            "another authority": {"ca_file": str(issue(tmp_path, "127.0.0.1").certificate_file)},
            "another fingerprint": {"fingerprint": "0" * 64},
        }
        with pytest.raises(Untrusted, match="is not trusted"):
            opened(Access(secured.urls, user=USER, password=PASSWORD, **ways[trust]))  # type: ignore[arg-type]

    @pytest.mark.parametrize("login", [{}, {"user": USER, "password": "wrong"}, {"api_key": "d3Jvbmc6d3Jvbmc="}])
    def test_a_bad_login_is_told(self, secured: Server, login: dict[str, str]) -> None:
        with pytest.raises(LoginRefused, match="refused the login"):
            opened(Access(secured.urls, ca_file=str(secured.authority), **login))  # type: ignore[arg-type]

    def test_a_set_up_store_can_be_written_and_read(self, secured: Server) -> None:
        with fresh_indices(secured) as indices:
            indices.set_up(START)
            written(indices, Kind.ACCEPTANCES, [("a", SMALL)])
            assert indices.server.get(indices.alias(Kind.ACCEPTANCES), ["a", "b"])["a"].source == SMALL


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("elasticsearch")
class TestBulk:
    @pytest.fixture
    def indices(self) -> Iterator[Indices]:
        with fresh_indices(shared_elasticsearch()) as made:
            made.create(Kind.ACCEPTANCES, 1, START)
            yield made

    @pytest.fixture
    def alias(self, indices: Indices) -> str:
        return indices.alias(Kind.ACCEPTANCES)

    def test_each_action_has_its_result_in_its_place(self, indices: Indices, alias: str) -> None:
        written(indices, Kind.ACCEPTANCES, [("there", SMALL), ("changed", SMALL), ("to delete", SMALL)])
        found = indices.server.get(alias, ["there", "changed", "to delete"])
        own = indices.own(indices.newest(Kind.ACCEPTANCES))
        stale = Found("changed", {}, "", found["changed"].seq_no + 100, found["changed"].primary_term)
        actions = [
            Action(alias, "new", SMALL),
            Action(alias, "there", SMALL),
            Action(own, "there", SMALL, over=found["there"]),
            Action(own, "changed", SMALL, over=stale),
            Action(alias, "unfit", {"jindun": {"revision": "many"}}),
            Action(alias, "unknown", {"jindun": {"unknown": 1}}),
            Action(own, "to delete", None, over=found["to delete"]),
            Action(alias, "never there", None),
            Action("nowhere", "x", SMALL),
        ]
        results = indices.server.bulk(actions)
        assert [result.status for result in results] == [
            Status.OK,
            Status.CONFLICT,
            Status.OK,
            Status.CONFLICT,
            Status.REFUSED,
            Status.REFUSED,
            Status.OK,
            Status.MISSING,
            Status.MISSING,
        ]
        assert "document_parsing_exception" in results[4].reason
        assert "many" in results[4].reason
        assert "strict_dynamic_mapping_exception" in results[5].reason
        assert results[0].seq_no >= 0
        with connect(shared_elasticsearch()) as administrator:
            assert not administrator.indices.exists(index="nowhere"), "nothing is made without its mapping"

    def test_one_refused_document_among_ten_thousand_stops_none(self, indices: Indices, alias: str) -> None:
        actions = [Action(alias, str(number), SMALL) for number in range(10_000)]
        actions[7_777] = Action(alias, "7777", {"jindun": {"revision": "many"}})
        statuses = [result.status for result in indices.server.bulk(actions)]
        assert statuses[7_777] is Status.REFUSED
        assert statuses.count(Status.OK) == 9_999
        indices.server.refresh(alias)
        assert indices.server.count(alias) == 9_999
        assert len(list(indices.server.everything(alias, {"match_all": {}}))) == 9_999

    @pytest.mark.parametrize("block", ["write", "read_only_allow_delete"])
    def test_an_index_that_takes_no_writes_is_told_item_by_item(self, indices: Indices, alias: str, block: str) -> None:
        written(indices, Kind.ACCEPTANCES, [("a", SMALL)])
        with connect(shared_elasticsearch()) as administrator:
            administrator.indices.put_settings(index=alias, settings={f"index.blocks.{block}": True})
            (result,) = indices.server.bulk([Action(alias, "b", SMALL)])
            assert result.status is Status.BLOCKED
            assert indices.server.get(alias, ["a"]), "reading goes on"
            administrator.indices.put_settings(index=alias, settings={f"index.blocks.{block}": None})
        (result,) = indices.server.bulk([Action(alias, "b", SMALL)])
        assert result.status is Status.OK

    def test_an_index_that_is_not_there_is_told(self, indices: Indices) -> None:
        for ask in (
            lambda: indices.server.get("gone", ["a"]),
            lambda: indices.server.count("gone"),
            lambda: indices.server.search("gone", {"match_all": {}}, [], 1),
            lambda: list(indices.server.everything("gone", {"match_all": {}})),
            lambda: indices.server.refresh("gone"),
        ):
            with pytest.raises(IndexMissing, match="run `secops store setup`"):
                ask()

    def test_groups_of_more_than_a_page_are_all_counted(self, indices: Indices, alias: str) -> None:
        actions = [Action(alias, str(number), {"jindun": {"id": f"{number % 6000}"}}) for number in range(9_000)]
        indices.server.bulk(actions)
        indices.server.refresh(alias)
        counted = indices.server.groups(alias, {"match_all": {}}, ["jindun.id"])
        assert len(counted) == 6_000
        assert sum(counted.values()) == 9_000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("elasticsearch-cluster")
def test_one_of_three_nodes_is_killed_and_nothing_that_was_told_as_done_is_lost() -> None:
    with running_cluster(3) as cluster, fresh_indices(cluster, patience_seconds=60) as indices:
        indices.set_up(START)
        alias = indices.alias(Kind.ACCEPTANCES)
        with connect(cluster) as administrator:
            # A shard that only one node has yet is gone with it: that nothing is lost holds for what was copied.
            told = administrator.options(request_timeout=130).cluster.health(wait_for_status="green", timeout="120s")
            assert told["status"] == "green"
        done: set[str] = set()
        for number in range(60):
            if number == 20:
                cluster.nodes[1].kill()
            actions = [Action(alias, f"{number}-{each}", SMALL) for each in range(50)]
            done |= sent_until_done(indices.server, actions)
        with connect(cluster) as administrator:
            told = administrator.options(request_timeout=130).cluster.health(wait_for_nodes="2", timeout="120s")
            assert told["number_of_nodes"] == 2
        for _ask in range(6):
            indices.server.refresh(alias)  # whichever node the client asks first
        assert {found.id for found in indices.server.everything(alias, {"match_all": {}})} == done
        assert len(done) == 3_000


def sent_until_done(server: ElasticsearchServer, actions: list[Action]) -> set[str]:
    """As a shipper would: what is busy or unknown is sent again; there already is done."""
    done: set[str] = set()
    deadline = time.monotonic() + _RECOVERY_SECONDS
    while actions:
        assert time.monotonic() < deadline, "the nodes that are left never took it"
        try:
            results = server.bulk(actions)
        except (Unreachable, Busy):
            time.sleep(0.5)
            continue
        assert {result.status for result in results} <= {Status.OK, Status.CONFLICT, Status.BUSY}
        done |= {
            action.id
            for action, result in zip(actions, results, strict=True)
            if result.status in (Status.OK, Status.CONFLICT)
        }
        actions = [action for action in actions if action.id not in done]
    return done


_RECOVERY_SECONDS = 300.0
"""Far beyond what two nodes need to find out that the third is gone, also when others use their processors."""


class _Answering(BaseHTTPRequestHandler):
    """Something that speaks like Elasticsearch, and says what it is told to."""

    status, headers_seen = 200, ""
    body = b'{"status": "green"}'

    def do_GET(self) -> None:
        type(self).headers_seen = self.headers.get("Authorization", "")
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.send_response(self.status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(self.body)

    do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[tuple[type[_Answering], str]]:
    """Answers that no healthy server can be made to give."""

    class Answering(_Answering):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Answering, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_api_key_goes_into_the_header(answering: tuple[type[_Answering], str]) -> None:
    """The server for tests gives no keys out; that it refuses a wrong one is tested above."""
    opened(Access((answering[1],), api_key="c2VjcmV0OmtleQ==")).close()
    assert answering[0].headers_seen == "ApiKey c2VjcmV0OmtleQ=="


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, b'{"error": {"type": "circuit_breaking_exception"}, "status": 429}', Busy),
        (503, b'{"error": {"type": "master_not_discovered_exception"}, "status": 503}', Busy),
        (413, b"", TooLarge),
        (429, b'{"error": {"type": "cluster_block_exception", "reason": "flood stage"}, "status": 429}', Blocked),
        (502, b"", Busy),
    ],
)
def test_a_request_that_is_not_taken_is_told(
    answering: tuple[type[_Answering], str], status: int, body: bytes, error: type[Exception]
) -> None:
    answering[0].status, answering[0].body = status, body
    server = ElasticsearchServer(Access((answering[1],)))
    with pytest.raises(error):
        server.bulk([Action("a", "1", SMALL)])
    server.close()


def test_busy_items_are_told_apart_from_a_full_disk(answering: tuple[type[_Answering], str]) -> None:
    answering[0].body = b"""{"items": [
        {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "queue full"}}},
        {"create": {"status": 429, "error": {"type": "cluster_block_exception", "reason": "disk usage exceeded"}}},
        {"create": {"status": 503, "error": {"type": "unavailable_shards_exception", "reason": "primary"}}},
        {"create": {"status": 403, "error": {"type": "security_exception", "reason": "no right"}}}
    ]}"""
    server = ElasticsearchServer(Access((answering[1],)))
    results = server.bulk([Action("a", str(number), SMALL) for number in range(4)])
    assert [result.status for result in results] == [Status.BUSY, Status.BLOCKED, Status.BUSY, Status.BLOCKED]
    server.close()


def test_a_server_that_is_down_is_told() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"cannot reach Elasticsearch at {url}"):
        opened(Access((url,), patience_seconds=1))


def test_a_read_asks_another_node(answering: tuple[type[_Answering], str]) -> None:
    for _times in range(4):
        opened(Access((f"http://127.0.0.1:{free_port()}", answering[1]), patience_seconds=2)).close()


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["return 200 '{}'", "return 200 'hello'", "return 404", "return 400 '{}'"])
def test_what_is_not_elasticsearch_is_told(tmp_path: Path, answer: str) -> None:
    location = f"location / {{ default_type application/json; {answer}; }}"
    with running_nginx(tmp_path, location) as nginx, pytest.raises(WrongProduct, match="is not Elasticsearch"):
        opened(Access((f"http://127.0.0.1:{nginx.port}",)))


@pytest.mark.parametrize(
    "urls",
    [
        (),
        ("",),
        ("search",),
        ("ftp://search:9200",),
        ("https://search",),
        ("https://me:word@search:9200",),
        ("https://search:99999",),
        ("https://[::1:9200",),
        ("https://search:9200", "x"),
    ],
)
def test_an_address_that_is_none_is_told(urls: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="is written like"):
        Access(urls)


def test_an_unencrypted_connection_to_another_machine_must_be_asked_for() -> None:
    mixed = ("https://search.example:9200", "http://search.example:9200")
    with pytest.raises(BadInput, match="is not encrypted"):
        Access(mixed)
    ElasticsearchServer(Access(mixed, insecure=True)).close()


def test_an_authority_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be used"):
        ElasticsearchServer(Access(("https://search.example:9200",), ca_file=str(tmp_path / "none.pem")))


def test_secrets_are_not_in_what_is_printed() -> None:
    shown = repr(Access(("https://search.example:9200",), api_key="sesame", password="open"))
    assert "sesame" not in shown
    assert "open" not in shown
