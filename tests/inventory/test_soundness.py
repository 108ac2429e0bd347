"""Whatever stands in a file, it is an inventory or has located problems; addresses and URLs are strict."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secops.inventory.inventory import Inventory
from secops.inventory.load import inventory_of
from secops.support.strict_yaml import BadFile, parse

CITY = """\
name: {zh: 小城, en: Small town}
sites: [{id: here, name: {zh: 本地, en: Here}}]
centres: [{id: main, name: {zh: 生产, en: Main}, site: here, role: production}]
units: [{id: health, name: {zh: 卫生委, en: Health}}]
systems:
  - id: clinic
    name: {zh: 门诊, en: Clinic}
    programme: {zh: 惠民, en: Services}
    lead_units: [health]
    grade:
      information: {object: public_order, degree: serious}
      service: {object: legal_rights, degree: general}
    assets:
      - {id: web, kind: host, name: {zh: 主机, en: Host}, centre: main, address: "ADDRESS", ports: [22]}
      - {id: site, kind: website, name: {zh: 网站, en: Site}, centre: main, url: "URL", host: web}
vaults: [{id: box, centre: main, host: web, location: /srv/vault}]
places: [{id: room, centre: main, host: web, path: /srv/room, url: "http://192.0.2.2/"}]
entries:
  - id: door
    system: clinic
    url: "http://192.0.2.3/"
    socket: /run/haproxy.sock
    backend: clinic
    servers: [{centre: main, name: main, url: "http://192.0.2.1/"}]
    business_check: {path: /, contains: ok}
"""


def load(*, address: str = "192.0.2.1", url: str = "https://clinic.example/") -> Inventory:
    return inventory_of(parse(CITY.replace("ADDRESS", address).replace("URL", url), "city.yaml"))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "web", "web-1.clinic.example", "127.0.0.1"])
def test_good_addresses(address: str) -> None:
    assert load(address=address).asset("web").address == address


@pytest.mark.parametrize(
    "address", ["192.0.2", "192.0.2.256", "-web", "web_1", "a b", "web.", "http://web", "诊所", "a" * 64]
)
def test_bad_addresses(address: str) -> None:
    with pytest.raises(BadFile, match="no host name or IP address"):
        load(address=address)


@pytest.mark.parametrize(
    "url", ["https://clinic.example/", "http://127.0.0.1:8080/", "https://[2001:db8::1]:8443/x?y=1"]
)
def test_good_urls(url: str) -> None:
    assert load(url=url).asset("site").url == url


@pytest.mark.parametrize(
    "url",
    [
        "clinic.example",
        "//clinic.example/",
        "file:///etc/passwd",
        "https:///x",
        "https://clinic.example:0/",
        "https://clinic.example:70000/",
        "https://clinic.example:http/",
        "https://user@clinic.example/",
        "https://clinic.example/a b",
        "https://[::1/",
        "https://192.0.2.300/",
        "javascript:alert(1)",
    ],
)
def test_bad_urls(url: str) -> None:
    with pytest.raises(BadFile, match="expected http"):
        load(url=url)


WORDS = st.sampled_from(
    ["web", "main", "here", "x", "", "~", "no", "12", "/", "[]", "{}", "[web]", "production", "health"]
)


@given(st.data())
@settings(max_examples=300)
def test_a_changed_file_is_an_inventory_or_has_located_problems(data: st.DataObject) -> None:
    words = CITY.split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(WORDS | st.text(max_size=4))
    text = " ".join(words)
    try:
        inventory_of(parse(text, "city.yaml"))
    except BadFile as bad:
        assert all(1 <= problem.line <= len(text.splitlines()) + 1 for problem in bad.problems)
