"""The API's documentation as one plain page, made from its OpenAPI document.

The usual pages load scripts from another host, which a self-hosted daemon must not ask of an operator's browser. This
one has no scripts at all, and works without a network.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from coursekeep_daemon.api.problems import PROBLEMS

__all__ = ["DOCS_POLICY", "docs_page"]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h2{border-bottom:1px solid #bbb;margin-top:2.5rem}h3{margin-bottom:.2rem}
code{font:14px/1.4 ui-monospace,monospace;background:#f3f3f3;padding:.1em .3em}
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem
.25rem 0;border-bottom:1px solid #ddd}.scope{font-size:.85em;background:#e4edf7;padding:.1em .5em;border-radius:.5em}
@media(prefers-color-scheme:dark){body{color:#eee;background:#1b1b1b}code{background:#333}.scope{background:#2c4158}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

#: Content-Security-Policy of the page: its own style, nothing else
DOCS_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

_METHODS = ("get", "post", "put", "patch", "delete")


def docs_page(document: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI document. Everything that comes from the document is escaped."""
    title = escape(document["info"]["title"])
    body = "\n".join([*_intro(document), *_operations(document), *_problems(), *_schemas(document)])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def _intro(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    for paragraph in info.get("description", "").split("\n\n"):
        yield f"<p>{escape(paragraph)}</p>"
    yield '<p>The same for machines: <a href="/api/openapi.json">/api/openapi.json</a></p>'


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    tag = None
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            operation = methods[method]
            first = operation.get("tags", ["other"])[0]
            if first != tag:
                tag = first
                yield f"<h2>{escape(tag.capitalize())}</h2>"
            yield from _operation(method, path, operation)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    scopes = [scope for each in operation.get("security", []) for granted in each.values() for scope in granted]
    mark = f'<span class="scope">{escape(" ".join(scopes))}</span>' if scopes else '<span class="scope">no token</span>'
    yield f'<h3 id="{escape(operation["operationId"])}"><code>{method.upper()} {escape(path)}</code> {mark}</h3>'
    yield f"<p>{escape(operation.get('description') or operation.get('summary', ''))}</p>"
    rows = [
        (f"{each['in']}: {each['name']}", _type(each.get("schema", {})), each.get("description", ""))
        for each in operation.get("parameters", [])
    ]
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        rows.append((f"body: {media}", _type(content.get("schema", {})), ""))
    for status, answer in operation.get("responses", {}).items():
        if status != "default":
            types = ", ".join(_type(each.get("schema", {})) for each in answer.get("content", {}).values())
            rows.append((f"answer: {status}", types, ""))
    yield from _table(rows)


def _problems() -> Iterator[str]:
    yield "<h2>Problems</h2><p>Errors are <code>application/problem+json</code> (RFC 9457). Their types:</p>"
    for kind, text in PROBLEMS.items():
        yield f'<h3 id="{escape(kind)}"><code>{escape(kind)}</code></h3><p>{escape(text)}</p>'


def _schemas(document: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Objects</h2>"
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        yield f'<h3 id="schema-{escape(name)}">{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>'
        if "enum" in schema:
            yield f"<p>{_type(schema)}</p>"
        rows = [
            (field, _type(each), each.get("description", "")) for field, each in schema.get("properties", {}).items()
        ]
        yield from _table(rows)


def _table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a table. Types come as HTML, the rest as text."""
    if not rows:
        return
    yield "<table>"
    for name, kind, text in rows:
        yield f"<tr><td><code>{escape(name)}</code></td><td>{kind}</td><td>{escape(text)}</td></tr>"
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    """Return a short name of a schema as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    for word in ("anyOf", "allOf", "oneOf"):
        if word in schema:
            return " | ".join(_type(each) for each in schema[word])
    kind = escape(str(schema.get("type", "")))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(schema.get("format", "")) or kind
