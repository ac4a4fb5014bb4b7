"""The API's description in words, from what FastAPI says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    JSON = Mapping[str, Any]


class Field(NamedTuple):
    """A parameter, or a field of the body."""

    name: str
    where: str  # path | query | body
    needed: bool
    shape: str  # in words


class Operation(NamedTuple):
    """What one method of one address does; texts may hold `code`."""

    call: str
    summary: str
    about: list[str]  # paragraphs
    fields: list[Field]


def operations(api: JSON) -> list[Operation]:
    """Every operation of an OpenAPI document, in its order."""
    return [
        Operation(
            f"{method.upper()} {path}",
            one["summary"],
            [
                text
                for text in (one.get("description", ""), one.get("requestBody", {}).get("description", ""))
                if text
            ],
            [*_parameters(one), *_body(one, api)],
        )
        for path, methods in api["paths"].items()
        for method, one in methods.items()
    ]


def _parameters(operation: JSON) -> Iterator[Field]:
    for one in operation.get("parameters", ()):
        yield Field(one["name"], one["in"], one["required"], _shape(one["schema"]))


def _body(operation: JSON, api: JSON) -> Iterator[Field]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    (named,) = [one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one] or [""]
    found = api["components"]["schemas"].get(named.rpartition("/")[2], {})
    for name, field in found.get("properties", {}).items():
        yield Field(name, "body", name in found.get("required", ()), _shape(field))


def _shape(schema: JSON) -> str:
    """As ``integer, 1 to 1000, default 100``."""
    if "anyOf" in schema:
        schema = {**schema, **schema["anyOf"][0]}
    allowed = schema.get("enum")
    words = [" | ".join(map(str, allowed)) if allowed else schema.get("type", "")]
    if schema.get("type") == "object":
        words = ["object of texts"]
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None or most is not None:
        words.append(f"{least} or more" if most is None else f"{least} to {most}")
    if "maxLength" in schema:
        words.append(f"at most {schema['maxLength']} characters")
    if schema.get("default") not in (None, ""):
        default = schema["default"]
        words.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
    return ", ".join(words)
