"""Read an inventory file: its shape by the strict reader, its meaning by `soundness`; every problem at once."""

from importlib.resources import files
from pathlib import Path

from secops.inventory.inventory import Inventory
from secops.inventory.soundness import mistakes
from secops.model.city import City
from secops.support.strict_yaml import BadFile, Document, parse, read

SAMPLE = "sample_city.yaml"
SCHEMA_KIND, SCHEMA_NAME = City, "inventory"


def load_inventory(path: Path) -> Inventory:
    """The inventory in a file. Raises BadFile."""
    return inventory_of(read(path))


def sample_inventory() -> Inventory:
    """The sample city that ships with the product."""
    return inventory_of(parse(files("secops.inventory").joinpath(SAMPLE).read_text("utf-8"), SAMPLE))


def inventory_of(document: Document) -> Inventory:
    """The inventory in a document. Raises BadFile."""
    city = document.build(City)
    problems = [document.problem(path, text) for path, text in mistakes(city)]
    if problems:
        raise BadFile(problems)
    return Inventory(city)
