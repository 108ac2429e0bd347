"""What a database is."""

from enum import StrEnum


class Product(StrEnum):
    """What a database is, and so which engines copy it and how a restored one is tried."""

    POSTGRESQL = "postgresql"
    MARIADB = "mariadb"
    ELASTICSEARCH = "elasticsearch"
    REDIS = "redis"
    ETCD = "etcd"
    SQLITE = "sqlite"
