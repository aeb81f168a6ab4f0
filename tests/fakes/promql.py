"""A small strict reader of PromQL: which series a query takes with which labels. Refuses what it does not know."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["Query", "read_query"]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*")|(?P<range>\[(?:\d+[smhdwy]|\$__rate_interval)\])|(?P<number>\d+(?:\.\d+)?)|
    (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<op>=~|!~|!=|==|<=|>=|[-+*/<>=(){},])
    )""",
    re.VERBOSE,
)
_FUNCTIONS = {"absent", "histogram_quantile", "increase", "max", "min", "predict_linear", "rate", "sum", "time"}
_RANGED = {"increase", "predict_linear", "rate"}
_WORDS = {"and", "by", "on", "or", "unless", "without"}
_PAIRS = {"(": ")", "{": "}"}


@dataclass
class Query:
    """What a query refers to."""

    #: by metric: labels that are matched
    metrics: dict[str, set[str]] = field(default_factory=dict)
    #: labels that are grouped by
    grouped: set[str] = field(default_factory=set)
    #: metrics that are taken over a range of time, and those that `rate` and `increase` are taken of
    ranged: set[str] = field(default_factory=set)
    counted: set[str] = field(default_factory=set)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at : at + 20]!r} in {text!r} is no PromQL that this test knows")
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        at = match.end()
    return found


def read_query(text: str) -> Query:
    """Read a query. Raises ValueError for unbalanced brackets, unknown functions, and ranges where none belong."""
    tokens = [*_tokens(text), ("end", "")]
    query = Query()
    open_: list[str] = []
    calls: list[str] = []
    at = 0
    while tokens[at][0] != "end":
        kind, word = tokens[at]
        following = tokens[at + 1][1]
        if kind == "name" and word in ("by", "on", "without"):
            at = _labels(tokens, at + 1, query.grouped, text)
            continue
        if (kind == "name" and following == "(") or (word in _FUNCTIONS and following in ("by", "without")):
            if word not in _FUNCTIONS | _WORDS:
                raise ValueError(f"unknown function {word} in {text!r}")
        elif kind == "name" and word not in _WORDS:
            at = _selector(tokens, at, query, calls[-1] if calls else "", text)
            continue
        elif kind == "range":
            raise ValueError(f"a range without a metric in {text!r}")
        if word == "(":
            open_.append(")")
            calls.append(tokens[at - 1][1] if at and tokens[at - 1][0] == "name" else "")
        elif word == ")":
            if not open_ or open_.pop() != ")":
                raise ValueError(f"a bracket too many in {text!r}")
            calls.pop()
        at += 1
    if open_:
        raise ValueError(f"a bracket is not closed in {text!r}")
    return query


def _labels(tokens: list[tuple[str, str]], at: int, into: set[str], text: str) -> int:
    if tokens[at][1] != "(":
        raise ValueError(f"labels in brackets are missing in {text!r}")
    at += 1
    while tokens[at][1] != ")":
        if tokens[at][0] != "name":
            raise ValueError(f"{tokens[at][1]!r} is no label in {text!r}")
        into.add(tokens[at][1])
        at += 2 if tokens[at + 1][1] == "," else 1
    return at + 1


def _selector(tokens: list[tuple[str, str]], at: int, query: Query, call: str, text: str) -> int:
    name = tokens[at][1]
    labels = query.metrics.setdefault(name, set())
    at += 1
    if tokens[at][1] == "{":
        at += 1
        while tokens[at][1] != "}":
            (kind, label), (_, match), (value, _) = tokens[at : at + 3]
            if kind != "name" or match not in ("=", "!=", "=~", "!~") or value != "string":
                raise ValueError(f"labels of {name} cannot be read in {text!r}")
            labels.add(label)
            at += 4 if tokens[at + 3][1] == "," else 3
        at += 1
    has_range = tokens[at][0] == "range"
    if has_range != (call in _RANGED):
        raise ValueError(f"{call or 'nothing'}({name}) {'takes no' if has_range else 'needs a'} range in {text!r}")
    if has_range:
        query.ranged.add(name)
    if call in ("increase", "rate"):
        query.counted.add(name)
    return at + has_range
