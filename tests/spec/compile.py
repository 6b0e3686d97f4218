"""Makes `responses.json` from a checkout of the Matrix specification (matrix-org/matrix-spec):

    python -m tests.spec.compile path/to/matrix-spec

The result holds, for each endpoint of the client-server and the server-server API, the JSON Schemas
of its answers, with what only people read left out. Run it again when the specification is
released anew.
"""

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

TARGET = Path(__file__).with_name("responses.json")
# What does not restrict a value.
_FOR_PEOPLE = {"description", "title", "example", "examples", "default", "deprecated", "format"}
_METHODS = ("get", "put", "post", "delete")


class Compiler:
    """Reads schemas, and gives each file that they refer to a name of its own."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._names: dict[str, str] = {}
        self.definitions: dict[str, Any] = {}

    def endpoints(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By path and method: the schema of each status's JSON body."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for name in ("client-server", "server-server"):
            for file in sorted((self._data / "api" / name).glob("*.yaml")):
                self._add(file, found)
        return found

    def _add(self, file: Path, found: dict[str, dict[str, dict[str, Any]]]) -> None:
        api = _load(file)
        base = _base_path(api)
        for path, operations in api["paths"].items():
            methods = found.setdefault(base + path, {})
            for method in _METHODS:
                if method in operations:
                    methods[method.upper()] = self._responses(operations[method], file)

    def _responses(self, operation: dict[str, Any], file: Path) -> dict[str, Any]:
        schemas = {}
        for status, response in operation["responses"].items():
            if "$ref" in response:
                target, file_of = self._target(response["$ref"], file)
                schema = _json_schema(target)
            else:
                file_of, schema = file, _json_schema(response)
            if schema is not None:
                schemas[str(status)] = self._schema(schema, file_of)
        return schemas

    def _schema(self, schema: Any, file: Path) -> Any:
        """The schema without what is for people, its references named."""
        if isinstance(schema, list):
            return [self._schema(member, file) for member in schema]
        if not isinstance(schema, dict):
            return schema
        kept: dict[str, Any] = {}
        for key, value in schema.items():
            if key == "$ref":
                kept["$ref"] = f"#/$defs/{self._define(value, file)}"
            elif key in ("properties", "patternProperties"):
                kept[key] = {name: self._schema(member, file) for name, member in value.items()}
            elif key in ("enum", "const", "required"):
                kept[key] = value
            elif key == "oneOf":
                # Its members overlap: any object, or an event, which is one.
                kept["anyOf"] = self._schema(value, file)
            elif key not in _FOR_PEOPLE and not key.startswith("x-"):
                kept[key] = self._schema(value, file)
        return kept

    def _define(self, reference: str, file: Path) -> str:
        path, _, fragment = reference.partition("#")
        key = f"{(file.parent / unquote(path)).resolve()}#{fragment}"
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = str(len(self._names))
            target, target_file = self._target(reference, file)
            self.definitions[name] = self._schema(target, target_file)
        return name

    def _target(self, reference: str, file: Path) -> tuple[Any, Path]:
        path, _, fragment = reference.partition("#")
        target_file = (file.parent / unquote(path)).resolve() if path else file
        target = _load(target_file)
        for part in filter(None, fragment.split("/")):
            target = target[part]
        return target, target_file


def _load(file: Path) -> Any:
    return yaml.safe_load(file.read_text("utf-8"))


def _base_path(api: dict[str, Any]) -> str:
    variables = api["servers"][0].get("variables", {})
    return str(variables.get("basePath", {}).get("default", "")).rstrip("/")


def _json_schema(response: dict[str, Any]) -> Any:
    content = response.get("content", {}).get("application/json")
    return None if content is None else content.get("schema")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spec", type=Path, help="a checkout of matrix-org/matrix-spec")
    compiler = Compiler((parser.parse_args().spec / "data").resolve())
    endpoints = compiler.endpoints()
    result = {"endpoints": endpoints, "$defs": compiler.definitions}
    text = json.dumps(result, ensure_ascii=False, indent=None, separators=(",", ":"))
    TARGET.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
