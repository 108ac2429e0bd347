"""The metrics of a home in Prometheus's format: as text, and over HTTP."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TypeAlias

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from dashboards.catalogue import METRICS, Kind, Metric
from secops.model.text import Text
from secops.service.home import Home
from secops.service.measuring import FILLED, Series, View
from secops.store.elasticsearch_errors import Busy, Unreachable
from secops.support.errors import BadInput
from secops.support.language import tell

OpenHome: TypeAlias = Callable[[], AbstractContextManager[Home]]
Family: TypeAlias = GaugeMetricFamily | CounterMetricFamily


class HomeCollector(Collector):
    """Opens the home afresh each time, so that an edited inventory counts from the next time on."""

    def __init__(self, open_home: OpenHome) -> None:
        self._open_home = open_home

    def collect(self) -> Iterator[Family]:
        """Every family of the catalogue, in its order. Raises JindunError when the home cannot be read.

        While the server of the findings is away, what it alone knows is left out: the rest tells that it is away.
        """
        with self._open_home() as home:
            view = View(home)
            families = []
            for metric in METRICS:
                with suppress(Unreachable, Busy):
                    families.append(_family(metric, FILLED[metric.name](view)))
        yield from families


class ValuesCollector(Collector):
    """What a function tells of some metrics each time."""

    def __init__(self, tell_values: Callable[[], Iterable[tuple[Metric, Series]]]) -> None:
        self._tell_values = tell_values

    def collect(self) -> Iterator[Family]:
        """Every family that is told."""
        return (_family(metric, series) for metric, series in self._tell_values())


def exposition(open_home: OpenHome) -> bytes:
    """The metrics in Prometheus's text format. Raises JindunError when the home cannot be read."""
    return generate_latest(_registry(HomeCollector(open_home)))


def serve(open_home: OpenHome, address: str, port: int) -> tuple[int, Callable[[], None]]:
    """Answer scrapes in a thread; gives the port, which for port 0 is a free one, and what ends it.

    A home that cannot be read answers 500. Raises BadInput when the address cannot be listened on.
    """
    return serve_families(HomeCollector(open_home), address, port)


def serve_families(collector: Collector, address: str, port: int) -> tuple[int, Callable[[], None]]:
    """Answer scrapes of what a collector gives; otherwise as `serve`."""
    try:
        server, thread = start_http_server(port, address, _registry(collector))
    except (OSError, OverflowError) as error:
        raise BadInput(
            Text(f"无法监听 {address}:{port}:{error}", f"{address}:{port} cannot be listened on: {error}")
        ) from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return server.server_port, stop


def _registry(collector: Collector) -> CollectorRegistry:
    """These metrics and nothing else; nothing is read before they are asked for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _family(metric: Metric, series: Series) -> Family:
    made = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = made(metric.name, tell(metric.help), labels=metric.labels)
    for labels, value in series:
        family.add_metric(labels, value)
    return family
