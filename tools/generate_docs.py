# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what follows from the configuration schema.

* docs/configuration.md
* the slipway_* options in roles/*/meta/argument_specs.yml; whatever else stands in there is kept

With --check it writes nothing, names the files that are not as they should be, and ends with 1.
"""

from __future__ import annotations

import argparse
import re
import sys
import typing as t
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from plugins.module_utils.config.docker_keywords import KEYWORDS, REFUSED  # noqa: E402
from plugins.module_utils.config.findings import ConfigError  # noqa: E402
from plugins.module_utils.config.option import Option  # noqa: E402
from plugins.module_utils.config.schema import CHAPTERS, OPTIONS, PREFIX  # noqa: E402
from plugins.module_utils.config.schema_service import SERVICE  # noqa: E402
from plugins.module_utils.config.validate import validate  # noqa: E402

ARGUMENT_TYPES = {
    "string": "str",
    "scalar": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "list": "list",
    "map": "dict",
    "section": "dict",
}
FORMS = {
    "duration": "A duration; seconds, or like C(30s), C(10m), C(2h).",
    "size": "A size; bytes, or like C(256m), C(1g).",
}
# What a role needs for one of its goals only.
REQUIRED_BY_SOME = ("slipway_version",)
TYPE_NAMES = {
    "string": "text",
    "scalar": "text or number",
    "integer": "whole number",
    "boolean": "true or false",
    "command": "list, or one line",
    "section": "dictionary",
    "map": "dictionary by name",
    "any": "as the SDK wants it",
}
MADE = "<!-- Made by tools/generate_docs.py out of plugins/module_utils/config/schema.py. Do not edit. -->"


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    stale = [path for path, text in generate().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(generate()[path])
    return 1 if check and stale else 0


def generate() -> dict[Path, str]:
    """Every file that follows from the schema, with its content."""
    files = {ROOT / "docs" / "configuration.md": reference()}
    for role in sorted({"release", *(role for option in OPTIONS for role in option.roles)}):
        path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
        files[path] = argument_specs(role, path)
    return files


# -- argument specifications ------------------------------------------------------------------------------------------


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as yamllint and ansible-lint want them; no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: t.Any) -> bool:
        return True


def argument_specs(role: str, path: Path) -> str:
    """The role's argument specification, its slipway_* options anew, everything else as it stands in the file."""
    specs = yaml.safe_load(path.read_text())
    entry = specs["argument_specs"]["main"]
    own = {name: about for name, about in (entry.get("options") or {}).items() if not name.startswith(PREFIX)}
    ours = {option.name: argument(option) for option in OPTIONS if role == "release" or role in option.roles}
    entry["options"] = {**own, **ours}
    return "---\n" + yaml.dump(specs, Dumper=_Indented, sort_keys=False, width=118, allow_unicode=True)


def argument(option: Option) -> dict[str, t.Any]:
    """One option in the words of Ansible's argument specifications."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", option.text)
    if option.kind in FORMS:
        sentences.append(FORMS[option.kind])
    if option.kind == "map" and option.element is SERVICE:
        sentences.append("What a service consists of is described in C(docs/configuration.md).")
    about: dict[str, t.Any] = {"description": sentences, "type": ARGUMENT_TYPES.get(option.kind, "raw")}
    if option.required and option.name not in REQUIRED_BY_SOME:
        about["required"] = True
    if option.default not in (None, {}, []):
        about["default"] = _number(option.default)
    if option.choices:
        about["choices"] = list(option.choices)
    if option.secret:
        about["no_log"] = True
    section = option
    if option.kind == "list" and option.element is not None:
        about["elements"] = ARGUMENT_TYPES.get(option.element.kind, "raw")
        section = option.element
    if section.options:
        about["options"] = {inner.name: argument(inner) for inner in section.options}
    return about


# -- docs/configuration.md --------------------------------------------------------------------------------------------


def reference() -> str:
    """The whole page."""
    parts = [MADE, (ROOT / "tools" / "configuration.md.in").read_text().strip().replace("@PROBLEMS@", problems())]
    for title, options in CHAPTERS:
        parts.append(f"## {title}")
        plain = [option for option in options if not _inner(option)]
        if plain:
            parts += [table(plain), *examples(plain)]
        for option in options:
            if _inner(option):
                parts += chapter(option, f"`{option.name}`", 3)
    return "\n\n".join(parts) + "\n"


def chapter(option: Option, title: str, level: int) -> list[str]:
    """A section or a map, with everything in it."""
    parts = [f"{'#' * level} {title}{mark(option)}", meaning(option), *examples([option])]
    inner = _inner(option)
    if option.name == "container":
        return [*parts, *container_keywords()]
    parts.append(table(inner))
    for one in inner:
        if _inner(one) and one.name != "routes":
            of_service = level == 3 and option.name != "slipway_traffic"
            parts += chapter(one, f"`{one.name}`{' of a service' if of_service else ''}", level + 1)
        elif one.name == "routes":
            parts += [f"{'#' * (level + 1)} A route", table(_inner(one))]
    return parts


def table(options: t.Sequence[Option]) -> str:
    """Name, type, default and meaning of each."""
    rows = ["| Name | Type | Default | Meaning |", "|---|---|---|---|"]
    for option in options:
        text = meaning(option).replace("|", r"\|")
        later = f" Not available yet: {', '.join(option.later)}." if option.later else ""
        rows.append(f"| `{option.name}`{mark(option)} | {type_name(option)} | {default(option)} | {text}{later} |")
    return "\n".join(rows)


def meaning(option: Option) -> str:
    """What it means, and first the only model that has it."""
    return (f"*{' or '.join(option.models)}:* " if option.models else "") + markdown(option.text)


def mark(option: Option) -> str:
    """What tells that a change of this alone is no release."""
    return "" if option.identity or option.host else " °"


def type_name(option: Option) -> str:
    """The type in words, with choices and limits."""
    if option.choices:
        return " or ".join(f"`{choice}`" for choice in option.choices)
    name = TYPE_NAMES.get(option.kind, option.kind)
    if option.kind == "list" and option.element is not None:
        name = (
            f"list of {TYPE_NAMES.get(option.element.kind, option.element.kind).replace('dictionary', 'dictionarie')}s"
        )
    if option.kind == "map" and option.element is not None and option.element.kind != "section":
        name = "dictionary of texts"
    if option.low is not None and option.high is not None:
        name += f", {option.low:g} to {option.high:g}"
    return name


def default(option: Option) -> str:
    """The default as one would write it."""
    if option.required:
        return "**required**"
    if option.default is None or option.kind == "section":
        return ""
    value = _number(option.default)
    if option.kind == "duration" and not isinstance(value, str):
        return f"`{value:g}s`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def examples(options: t.Sequence[Option]) -> list[str]:
    """The options' examples: one block of YAML, one of commands."""
    written = [option.example for option in options if option.example]
    commands = [f"$ {text}" for text in written if text.startswith("ansible-playbook")]
    variables = [text for text in written if not text.startswith("ansible-playbook")]
    blocks = (("yaml", variables), ("console", commands))
    return ["\n".join([f"```{language}", *lines, "```"]) for language, lines in blocks if lines]


def markdown(text: str) -> str:
    """Ansible's C(...) as code."""
    return re.sub(r"C\(((?:[^()]|\([^()]*\))*)\)", r"`\1`", text)


def container_keywords() -> list[str]:
    """What a service's container may be given, and what not."""
    rows = ["| Refused | Because |", "|---|---|"]
    rows += [f"| `{name}` | {why} |" for name, (why, _remedy) in REFUSED.items()]
    return ["\n".join(rows), "Accepted: " + ", ".join(f"`{name}`" for name in KEYWORDS) + "."]


def problems() -> str:
    """A real message, so that the page shows what a mistake looks like."""
    variables = {
        "slipway_platform": "shop",
        "slipway_environment": "production",
        "slipway_version": 1.1,
        "slipway_services": {"backend": {"image": "shop/backend:1.1", "port": 8080, "helth": {}, "replicas": 0}},
    }
    try:
        validate(variables, {"groups": {"slipway_app": ["app1"]}, "hosts": {}})
    except ConfigError as error:
        return error.message
    raise AssertionError("the example of a mistake is none")


def _inner(option: Option) -> tuple[Option, ...]:
    """What a section, or each entry of a list or map of sections, consists of."""
    return option.options or (option.element.options if option.element is not None else ())


def _number(value: t.Any) -> t.Any:
    """2.0 as 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


if __name__ == "__main__":
    sys.exit(main())
