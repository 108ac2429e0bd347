"""What pydantic says of a value that does not fit, in our words and both languages."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from secops.model.text import Text
from secops.support.suggestions import did_you_mean


class BadValue(ValueError):
    """Raise it in a validator of a kind, to say in both languages what is wrong with the value."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


_EXPECTED = {
    "string_type": Text("文字", "text"),
    "int_type": Text("整数", "a whole number"),
    "int_from_float": Text("整数", "a whole number"),
    "int_parsing": Text("整数", "a whole number"),
    "float_type": Text("数字", "a number"),
    "float_parsing": Text("数字", "a number"),
    "bool_type": Text(" true 或 false", "true or false"),
    "bool_parsing": Text(" true 或 false", "true or false"),
    "list_type": Text("列表", "a list"),
    "tuple_type": Text("列表", "a list"),
    "set_type": Text("列表", "a list"),
    "frozen_set_type": Text("列表", "a list"),
    "dict_type": Text("映射(键: 值)", "a mapping (key: value)"),
    "dataclass_type": Text("映射(键: 值)", "a mapping (key: value)"),
    "model_type": Text("映射(键: 值)", "a mapping (key: value)"),
    "model_attributes_type": Text("映射(键: 值)", "a mapping (key: value)"),
    "none_required": Text("空值", "nothing (null)"),
}
"""Errors of the wrong type; those of a union at one place become one sentence."""

_LIMITS = {
    "greater_than": Text("必须大于 {gt}", "must be greater than {gt}"),
    "greater_than_equal": Text("不能小于 {ge}", "must be at least {ge}"),
    "less_than": Text("必须小于 {lt}", "must be less than {lt}"),
    "less_than_equal": Text("不能大于 {le}", "must be at most {le}"),
    "string_too_short": Text("至少 {min_length} 个字符", "must have at least {min_length} characters"),
    "string_too_long": Text("至多 {max_length} 个字符", "must have at most {max_length} characters"),
    "too_short": Text("至少 {min_length} 项", "must have at least {min_length} items"),
    "too_long": Text("至多 {max_length} 项", "must have at most {max_length} items"),
    "string_pattern_mismatch": Text("不符合格式 {pattern}", "does not match the pattern {pattern}"),
    "finite_number": Text("必须是有限的数", "must be a finite number"),
}

_MISSING = {"missing", "missing_argument", "missing_keyword_only_argument"}
_UNKNOWN = {"unexpected_keyword_argument", "extra_forbidden"}


def is_missing(error: ErrorDetails) -> bool:
    """Whether a required key is absent."""
    return error["type"] in _MISSING


def is_unknown(error: ErrorDetails) -> bool:
    """Whether a key is one that the kind does not know."""
    return error["type"] in _UNKNOWN


def is_wrong_type(error: ErrorDetails) -> bool:
    """Whether the value is of another type than asked."""
    return error["type"] in _EXPECTED


def unknown_key(key: str, allowed: Iterable[str]) -> Text:
    """The sentence for a key that the kind does not know."""
    hint = did_you_mean(key, allowed)
    return Text(f'未知的键 "{_short(key)}"{hint.zh}', f'unknown key "{_short(key)}"{hint.en}')


def missing_key(key: str) -> Text:
    """The sentence for a required key that is absent."""
    return Text(f'缺少键 "{key}"', f'the key "{key}" is missing')


def wrong_type(errors: list[ErrorDetails]) -> Text:
    """One sentence for a value that none of the types asked for accept."""
    expected = list(dict.fromkeys((_EXPECTED[error["type"]].zh, _EXPECTED[error["type"]].en) for error in errors))
    found = _describe(errors[0]["input"])
    zh, en = "或".join(pair[0] for pair in expected), " or ".join(pair[1] for pair in expected)
    hint = _hint({error["type"] for error in errors}, errors[0]["input"])
    return Text(f"应为{zh},实为{found.zh}{hint.zh}", f"expected {en}, found {found.en}{hint.en}")


def described(error: ErrorDetails) -> Text:
    """The sentence for one error, a wrong type among them."""
    return wrong_type([error]) if is_wrong_type(error) else sentence(error)


def sentence(error: ErrorDetails) -> Text:
    """The sentence for any other error."""
    context: Mapping[str, Any] = error.get("ctx", {})
    if error["type"] in ("enum", "literal_error", "union_tag_invalid"):
        return _not_allowed(error, context)
    if error["type"] in _LIMITS:
        template = _LIMITS[error["type"]]
        return Text(template.zh.format(**context), template.en.format(**context))
    raised = context.get("error")
    if isinstance(raised, BadValue):
        return raised.text
    if isinstance(raised, ValueError | AssertionError):
        return Text(str(raised), str(raised))
    return Text(f"不合要求:{error['msg']}", f"does not fit: {error['msg']}")


def _not_allowed(error: ErrorDetails, context: Mapping[str, Any]) -> Text:
    allowed = re.findall(r"'([^']*)'", str(context.get("expected", context.get("expected_tags", ""))))
    found = _describe(context.get("tag", error["input"]))
    hint = did_you_mean(str(context.get("tag", error["input"])), allowed)
    listed = ", ".join(allowed) or str(context.get("expected", ""))
    return Text(
        f"应为其中之一:{listed};实为{found.zh}{hint.zh}", f"expected one of {listed}; found {found.en}{hint.en}"
    )


def _describe(value: object) -> Text:
    """What stands there, short enough for a sentence."""
    if value is None:
        return Text("空值", "nothing")
    if isinstance(value, bool):
        return Text(f"布尔值 {str(value).lower()}", f"the boolean {str(value).lower()}")
    if isinstance(value, int | float):
        return Text(f"数字 {value}", f"the number {value}")
    if isinstance(value, str):
        return Text(f'文字 "{_short(value)}"', f'the text "{_short(value)}"')
    return Text("列表", "a list") if isinstance(value, list) else Text("映射", "a mapping")


def _hint(wanted: set[str], value: object) -> Text:
    if wanted & {"bool_type", "bool_parsing"} and str(value).lower() in ("yes", "no", "on", "off", "y", "n"):
        return Text(";yes、no、on、off 是文字", "; yes, no, on and off are text")
    if "string_type" in wanted and isinstance(value, bool | int | float):
        return Text(";若是文字请加引号", "; quote it if it is text")
    if wanted & {"int_type", "int_from_float", "float_type", "int_parsing"} and _looks_numeric(value):
        return Text(";去掉引号", "; remove the quotes")
    return Text("", "")


def _looks_numeric(value: object) -> bool:
    return isinstance(value, str) and value.strip("+-").isdigit()


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:59] + "…"
