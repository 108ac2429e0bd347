"""Which asset an address means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secops.exchange.addresses import AssetIndex, parse_address, path_template, web_locator
from secops.model.city import Asset, AssetKind
from secops.model.text import Text
from tests.exchange.city import ASSETS, index


@pytest.mark.parametrize(
    ("address", "asset"),
    [
        ("192.0.2.11", "web"),
        ("192.0.2.11:8080", "web"),
        ("http://192.0.2.11/x", "web"),
        ("https://HEALTH.city.example./a/b?c=d", "site"),
        ("https://health.city.example:443/index.html", "site"),
        ("http://health.city.example/", "site"),
        ("health.city.example:443", "site"),
        ("asset:db", "db"),
        ("db", "db"),
        ("asset:nobody", None),
        ("https://health.city.example.evil.example/", None),
        ("https://user:pass@evil.example#@health.city.example/", None),
        ("", None),
        ("http://[", None),
        ("http://health.city.example:99999999/", None),
    ],
)
def test_an_address_means_one_asset_or_none(address: str, asset: str | None) -> None:
    found = index().find([address])
    assert (found and found[1].id) == asset


def test_the_first_address_that_means_something_counts() -> None:
    found = index().find(["https://stranger.example/", "192.0.2.12", "192.0.2.11"])
    assert found and found[1].id == "db"


def test_two_of_one_kind_at_one_address_are_nobody() -> None:
    name = Text("甲", "a")
    twins = [Asset(one, AssetKind.HOST, name, "c", address="192.0.2.11") for one in ("a", "b")]
    assert AssetIndex(("s", one) for one in twins).find(["192.0.2.11"]) is None


def test_a_host_comes_before_a_database_on_the_same_address() -> None:
    database = Asset("base", AssetKind.DATABASE, Text("库", "base"), "c", address="192.0.2.11")
    found = AssetIndex(("s", one) for one in (database, *ASSETS)).find(["192.0.2.11"])
    assert found and found[1].id == "web"


def test_the_site_with_the_longest_path_is_meant() -> None:
    inner = Asset("inner", AssetKind.WEBSITE, Text("内", "in"), "c", url="https://health.city.example/app/")
    both = AssetIndex(("s", one) for one in (*ASSETS, inner))
    named = [both.find([f"https://health.city.example{path}"]) for path in ("/app/x", "/apple")]
    assert [found[1].id for found in named if found] == ["inner", "site"]


@pytest.mark.parametrize("address", ["2001:db8::1", "[2001:db8::1]:443", "https://[2001:db8::1]/"])
def test_addresses_of_ipv6_are_read(address: str) -> None:
    parsed = parse_address(address)
    assert parsed and parsed.host == "2001:db8::1"


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    parse_address(text)
    index().find([text])
    web_locator("GET", text)


@given(st.lists(st.sampled_from(["a=1", "b=2", "c"]), unique=True), st.integers(0, 10**9))
def test_order_and_values_of_parameters_and_numbers_are_no_identity(pairs: list[str], number: int) -> None:
    one = web_locator("GET", f"https://a.example/n/{number}?{'&'.join(pairs)}")
    other = web_locator("GET", f"https://b.example/n/7?{'&'.join(reversed(pairs))}")
    assert one == other


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/news/17.html", "/news/{int}.html"),
        ("/v2/users/0b7f3a52-2f5c-4f0a-9d3f-0d9f4a3c7b11/x", "/v2/users/{hex}/x"),
        ("/%e6%96%b0/a b", "/%E6%96%B0/a%20b"),
        ("/deadbeef", "/deadbeef"),
    ],
)
def test_a_path_becomes_a_template(path: str, template: str) -> None:
    assert path_template(path) == template
