"""YAML as text, lists and mappings, with no guess at types."""

from typing import Any, TypeAlias

import yaml

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain]"
_TAGS = {
    yaml.ScalarNode: "tag:yaml.org,2002:str",
    yaml.SequenceNode: "tag:yaml.org,2002:seq",
    yaml.MappingNode: "tag:yaml.org,2002:map",
}


class NotYaml(ValueError):
    """The text cannot be read; the message says where."""


class _Loader(yaml.CBaseLoader):
    """Resolves nothing: what a value is, its place in the template says."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        return _TAGS[kind]


def read_plain(content: bytes) -> "Plain | None":
    """The first document; None when there is none. Raises NotYaml."""
    try:
        loader = _Loader(content)
        try:
            node = loader.get_node() if loader.check_node() else None
        finally:
            loader.dispose()
        return None if node is None else _plain(node, {})
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        raise NotYaml(str(error)[:200]) from None


def _plain(node: yaml.Node, made: dict[int, Plain]) -> Plain:
    """What is named by an alias is one object, however often it is named."""
    if isinstance(node, yaml.ScalarNode):
        text: str = node.value
        return text
    if id(node) in made:
        return made[id(node)]
    if isinstance(node, yaml.SequenceNode):
        items: list[Plain] = []
        made[id(node)] = items
        items += [_plain(item, made) for item in node.value]
        return items
    values: dict[str, Plain] = {}
    made[id(node)] = values
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise NotYaml("a key is a list or a mapping")
        values[key.value] = _plain(value, made)
    return values
