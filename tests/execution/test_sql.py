"""Statements over warm connections, with a real PostgreSQL and with servers that misbehave."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secops.execution.sql import SqlRunner
from secops.model.step import Sql, Trouble
from tests.lab.databases.postgresql import PROGRAMS, PostgresqlServer, running_postgresql

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(PROGRAMS, "postgres").exists(), reason="postgresql is not installed"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    with running_postgresql() as running:
        yield running


@pytest.fixture(scope="module")
def dsn(server: PostgresqlServer) -> str:
    return f"host={server.folder} port={server.port} user={server.user} dbname=postgres"


@pytest.fixture
def runner() -> Iterator[SqlRunner]:
    made = SqlRunner()
    yield made
    made.close()


def test_rows_come_as_lines(runner: SqlRunner, dsn: str) -> None:
    result = runner.perform(Sql(dsn, "SELECT 1, NULL, 'ä' UNION ALL SELECT 2, 'x', 'y' ORDER BY 1"), 20)
    assert result.output == "1||ä\n2|x|y"


def test_the_connection_is_kept(runner: SqlRunner, dsn: str) -> None:
    asked = Sql(dsn, "SELECT pg_backend_pid()")
    assert runner.perform(asked, 20).output == runner.perform(asked, 20).output


def test_a_connection_that_the_server_closed_is_not_used_again(runner: SqlRunner, dsn: str) -> None:
    first = runner.perform(Sql(dsn, "SELECT pg_backend_pid()"), 20).output
    other = SqlRunner()
    assert other.perform(Sql(dsn, f"SELECT pg_terminate_backend({first}, 10000)", "t"), 20).ok
    other.close()
    second = runner.perform(Sql(dsn, "SELECT pg_backend_pid()"), 20)
    assert second.ok
    assert second.output != first


def test_a_refusal_is_a_failure_with_postgresqls_words_and_keeps_the_connection(runner: SqlRunner, dsn: str) -> None:
    pid = runner.perform(Sql(dsn, "SELECT pg_backend_pid()"), 20).output
    refused = runner.perform(Sql(dsn, "SELECT * FROM nowhere"), 20)
    assert refused.trouble is Trouble.FAILED
    assert "nowhere" in refused.error_output
    assert runner.perform(Sql(dsn, "SELECT pg_backend_pid()"), 20).output == pid


def test_an_answer_that_was_not_expected_is_a_failure(runner: SqlRunner, dsn: str) -> None:
    assert runner.perform(Sql(dsn, "SELECT 'no'", "^yes$"), 20).trouble is Trouble.FAILED
    assert runner.perform(Sql(dsn, "SELECT 'yes'", "^yes$"), 20).ok


def test_a_statement_that_takes_too_long_ends_in_time(runner: SqlRunner, dsn: str) -> None:
    began = time.monotonic()
    assert runner.perform(Sql(dsn, "SELECT pg_sleep(60)"), 0.2).trouble is Trouble.TIMEOUT
    assert time.monotonic() - began < 20
    assert runner.perform(Sql(dsn, "SELECT 1"), 20).ok


def test_who_accepts_and_says_nothing_costs_the_time_limit_and_no_more(runner: SqlRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = runner.perform(Sql(f"host=127.0.0.1 port={port} user=x dbname=x", "SELECT 1"), 0.2)
    assert result.trouble is Trouble.TIMEOUT


def test_nobody_there_is_unreachable(runner: SqlRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = runner.perform(Sql(f"host=127.0.0.1 port={port} user=x dbname=x", "SELECT 1"), 20)
    assert result.trouble is Trouble.UNREACHABLE


def test_who_talks_nonsense_is_unreachable(runner: SqlRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            channel, _ = listener.accept()
            with channel:
                channel.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                channel.recv(1000)

        thread = threading.Thread(target=babble)
        thread.start()
        port = listener.getsockname()[1]
        result = runner.perform(Sql(f"host=127.0.0.1 port={port} user=x dbname=x", "SELECT 1"), 20)
        thread.join()
    assert result.trouble is Trouble.UNREACHABLE
