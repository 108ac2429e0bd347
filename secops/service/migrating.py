"""Findings moved from one kind of store into the other."""

from collections.abc import Callable
from enum import StrEnum

from secops.model.text import Text
from secops.service.home import Home
from secops.service.stores.sqlite import SQLITE_FILE
from secops.store.moving import Moved, Part, move
from secops.store.sqlite_store import SqliteStore
from secops.support.errors import BadInput


class StoreKind(StrEnum):
    """A kind of store."""

    SQLITE = "sqlite"
    ELASTICSEARCH = "elasticsearch"


def migrate(home: Home, to: StoreKind, on_moved: Callable[[Part, int], None]) -> list[Moved]:
    """Everything from the file of this home to the Elasticsearch that its settings name, or back; see `move`.

    Raises BadInput when the settings name none, or there is no file to take from.
    """
    if home.settings.store.kind == "sqlite":
        raise BadInput(
            Text(
                "jindun.yaml 的 store 没有写明 Elasticsearch(kind: elasticsearch 与 urls);两个方向的迁移都需要它",
                "`store` in jindun.yaml names no Elasticsearch (kind: elasticsearch, and urls); moving needs it either way",
            )
        )
    file = home.state / SQLITE_FILE
    if to is StoreKind.ELASTICSEARCH and not file.exists():
        raise BadInput(Text(f"没有可迁移的文件 {file}", f"there is nothing to move: no {file}"))
    with SqliteStore(file) as sqlite:
        source, target = (sqlite, home.store) if to is StoreKind.ELASTICSEARCH else (home.store, sqlite)
        return move(source, target, on_moved)
