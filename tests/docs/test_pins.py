"""What `scripts/setup` installs: pinned by hash, whole, and from nowhere in particular."""

import re
import tomllib

from tests.docs.blocks import ROOT

_PIN = re.compile(r"(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^ ;]+)(?: ; (?P<marker>[^\\]+?))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def pins() -> dict[str, list[str]]:
    """Hashes by the name of the package."""
    text = (ROOT / "constraints.txt").read_text("utf-8").replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        head, *hashes = line.split(" --hash=")
        read = _PIN.fullmatch(head.strip())
        assert read, f"not a pin: {head}"
        found[read["name"]] = [one.strip() for one in hashes]
    return found


def asked_for() -> set[str]:
    """Names of what the project says that it needs, extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return {re.sub(r"[._]", "-", _NAME.match(one)[0].lower()) for one in wanted}  # type: ignore[index]


def test_every_pin_has_hashes_and_names_no_place() -> None:
    for name, hashes in pins().items():
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), name
    assert "://" not in (ROOT / "constraints.txt").read_text("utf-8")


def test_whatever_the_project_asks_for_is_pinned() -> None:
    assert asked_for() <= pins().keys()
