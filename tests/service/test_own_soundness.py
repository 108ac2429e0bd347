"""What the service says of itself."""

from secops.model.finding import WeaknessClass
from secops.service.own_soundness import CHECK, store_weakness
from secops.service.store_settings import StoreSettings

URLS = ("https://search.example:9200",)


def test_an_unverified_store_is_a_weakness() -> None:
    found = store_weakness(StoreSettings("elasticsearch", URLS, insecure=True))
    assert found
    assert found.weakness_class is WeaknessClass.COMPLIANCE
    assert found.rule.startswith(CHECK)
    assert URLS[0] in found.reason.zh
    assert URLS[0] in found.reason.en


def test_its_place_is_the_setting_whatever_the_address() -> None:
    here, there = (
        store_weakness(StoreSettings("elasticsearch", (url,), insecure=True)) for url in (*URLS, "http://x:1")
    )
    assert here and there
    assert (here.rule, here.locator) == (there.rule, there.locator)


def test_a_verified_store_and_a_file_are_none() -> None:
    assert store_weakness(StoreSettings("elasticsearch", URLS)) is None
    assert store_weakness(StoreSettings("sqlite", insecure=True)) is None
