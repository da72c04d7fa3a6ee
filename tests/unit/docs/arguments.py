# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module takes, and whether an example gives it that."""

from __future__ import annotations

import importlib
import typing as t

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.slipway.deploy.tests.unit.docs.pages import MODULES


def plain_spec(about: dict[str, t.Any]) -> dict[str, t.Any]:
    """An option's documentation as an argument specification."""
    kept = {key: about[key] for key in ("type", "elements", "required", "default", "choices") if key in about}
    inner = about.get("suboptions") or about.get("options")
    if inner:
        kept["options"] = {name: plain_spec(option) for name, option in inner.items()}
    return kept


def specification(module: str) -> dict[str, t.Any]:
    """The module's own argument specification; of those without a module side, what their documentation says."""
    python = importlib.import_module(f"ansible_collections.slipway.deploy.plugins.modules.{module}")
    if hasattr(python, "argument_spec"):
        return python.argument_spec()
    if hasattr(python, module.upper()):
        return getattr(python, module.upper()).options
    documented = yaml.safe_load(python.DOCUMENTATION)
    options = dict(documented.get("options") or {})
    fragments = documented.get("extends_documentation_fragment") or []
    for name in [fragments] if isinstance(fragments, str) else fragments:
        fragment = importlib.import_module(
            f"ansible_collections.slipway.deploy.plugins.doc_fragments.{name.split('.')[2]}"
        )
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])
    return {name: plain_spec(option) for name, option in options.items()}


def filled_in(value: t.Any, spec: dict[str, t.Any]) -> t.Any:
    """Templates replaced by something of the wanted type."""
    if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
        wanted = {"dict": {"id": "1.0.0-x", "token": 1}, "list": [], "int": 1, "float": 1.0, "bool": True}
        return wanted.get(spec.get("type", "str"), "text")
    if isinstance(value, dict) and spec.get("options"):
        return {key: filled_in(item, spec["options"].get(key, {})) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, {**spec, "type": spec.get("elements", "str")}) for item in value]
    return value


def check_arguments(module: str, arguments: dict[str, t.Any]) -> None:
    assert module in MODULES
    spec = specification(module)
    arguments = dict(arguments)
    if module == "container_deploy" and isinstance(arguments.get("secrets"), dict):
        arguments["secrets"] = ""  # the action plugin encodes the mapping
    given = {name: filled_in(value, spec.get(name, {})) for name, value in arguments.items()}
    assert ArgumentSpecValidator(spec).validate(given).error_messages == []
