# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the C(slipway_*) variables of all machines on the controller (private to the collection).

Works on ansible-core 2.16 to 2.21. Since 2.19 values are tagged, encrypted ones decrypt when they are templated, and an
omitted value is an exception; before, it was a placeholder text, and an encrypted value had to be turned into a text.
"""

from __future__ import annotations

import datetime
import typing as t
import urllib.parse

from ansible import errors
from ansible_collections.slipway.deploy.plugins.module_utils.config.model import Inventory
from ansible_collections.slipway.deploy.plugins.module_utils.config.option import Unreadable
from ansible_collections.slipway.deploy.plugins.module_utils.config.schema import GROUPS, PREFIX

Variables = t.Mapping[str, t.Any]

# What slipway_version is in templates when none is asked for: nothing is released then.
NO_VERSION = "unreleased"

_OMIT = object()
_OMITTED: tuple[type[Exception], ...] = tuple(
    kind for kind in (getattr(errors, "AnsibleValueOmittedError", None),) if kind is not None
)
_SECRETS = f"{PREFIX}secrets"
_DATABASE = f"{PREFIX}database"
_MIGRATIONS = f"{PREFIX}migrations"
_REST_OF_INVENTORY = ("ansible_host",)


def read_site(task_vars: Variables, templar: t.Any, *, version_required: bool) -> tuple[dict[str, t.Any], Inventory]:
    """What C(validate) takes: the variables that hold for every machine, and those of each machine of the platform.

    Variables of the play (also those given to import_playbook) hold for every machine. Everything is templated value by
    value, each machine's with its own variables, so that one that fails spoils no other.

    :param version_required: without it, templates see C(NO_VERSION) where C(slipway_version) is not set.
    """
    hostvars = task_vars["hostvars"]
    groups = {str(name): [str(host) for host in hosts] for name, hosts in task_vars["groups"].items()}
    here = hostvars.raw_get(task_vars["inventory_hostname"])
    play = {name: value for name, value in task_vars.items() if _is_of_the_play(name, value, here)}
    hosts: dict[str, dict[str, t.Any]] = {}
    for host in dict.fromkeys(host for group in GROUPS for host in groups.get(group, ())):
        raw = hostvars.raw_get(host)
        context = {**{name: task_vars[name] for name in task_vars if name not in here}, **raw, **play}
        resolver = Resolver(templar, context, hostvars, version_required=version_required)
        names = [name for name in raw if name.startswith(PREFIX) or name in _REST_OF_INVENTORY]
        hosts[host] = {name: value for name in names if (value := resolver.variable(name, raw[name])) is not None}
    resolver = Resolver(templar, task_vars, hostvars, version_required=version_required)
    variables = {str(name): resolver.variable(name, value) for name, value in play.items()}
    return variables, Inventory(groups=groups, hosts=hosts)


def read_secrets(task_vars: Variables, templar: t.Any) -> dict[str, str]:
    """The values of C(slipway_secrets), as texts, for handing them to a module.

    :raises AnsibleError: a value cannot be read; validation has said so before.
    """
    resolver = Resolver(templar, task_vars, task_vars["hostvars"], version_required=False)
    found = resolver.variable(_SECRETS, task_vars.get(_SECRETS)) or {}
    for name, value in found.items():
        if isinstance(value, Unreadable):
            raise errors.AnsibleError(f"{_SECRETS}.{name}: {value.reason}")
    return {name: str(value) for name, value in found.items() if value is not None}


def read_database_url(task_vars: Variables, templar: t.Any) -> str:
    """How C(slipway_database) is reached past a pooler, for handing it to a module; empty where there is none.

    :raises AnsibleError: it cannot be read; validation has said so before.
    """
    return _read_url(_DATABASE, "direct_url", task_vars, templar) or _read_url(_DATABASE, "url", task_vars, templar)


def read_migration_url(task_vars: Variables, templar: t.Any) -> str:
    """The same for migrations: C(admin_url) of C(slipway_migrations), where it has one.

    :raises AnsibleError: as above.
    """
    return _read_url(_MIGRATIONS, "admin_url", task_vars, templar) or read_database_url(task_vars, templar)


def read_replica_urls(task_vars: Variables, templar: t.Any) -> list[str]:
    """The C(replicas) of C(slipway_database), for handing them to a module.

    :raises AnsibleError: one cannot be read; validation has said so before.
    """
    resolver = Resolver(templar, task_vars, task_vars["hostvars"], version_required=False)
    found = resolver.variable(_DATABASE, task_vars.get(_DATABASE)) or {}
    urls = found.get("replicas") or [] if isinstance(found, dict) else []
    for url in urls if isinstance(urls, list) else [urls]:
        if isinstance(url, Unreadable):
            raise errors.AnsibleError(f"{_DATABASE}.replicas: {url.reason}")
    return [str(url) for url in (urls if isinstance(urls, list) else [urls])]


def hidden_values(task_vars: Variables, templar: t.Any) -> dict[str, str]:
    """Every value of the site that must not show, for handing them to a module: its secrets by their names, and what its
    connection strings say.

    :raises AnsibleError: one cannot be read; validation has said so before.
    """
    urls = [read_database_url(task_vars, templar), read_migration_url(task_vars, templar)]
    urls += [_read_url(_DATABASE, "url", task_vars, templar)]
    urls += read_replica_urls(task_vars, templar)
    passwords = [urllib.parse.unquote(urllib.parse.urlsplit(url).password or "") for url in urls]
    hidden = {f".{number}": value for number, value in enumerate([*urls, *passwords]) if value}
    return {**hidden, **read_secrets(task_vars, templar)}


def _read_url(variable: str, name: str, task_vars: Variables, templar: t.Any) -> str:
    resolver = Resolver(templar, task_vars, task_vars["hostvars"], version_required=False)
    found = resolver.variable(variable, task_vars.get(variable)) or {}
    url = found.get(name) if isinstance(found, dict) else found
    if isinstance(url, Unreadable):
        raise errors.AnsibleError(f"{variable}.{name}: {url.reason}")
    return str(url or "")


class Resolver:
    """Turns raw values into plain Python: templates evaluated, vaults opened, tags and omitted values gone."""

    def __init__(self, templar: t.Any, context: Variables, hostvars: t.Any, *, version_required: bool) -> None:
        variables = {**context, "hostvars": hostvars}
        if not version_required and variables.get(f"{PREFIX}version") is None:
            variables[f"{PREFIX}version"] = NO_VERSION
        self._omit = variables.get("omit")
        self._templar = templar.copy_with_new_env(available_variables=variables)
        # Before 2.19 the result of a template that looks like JSON becomes a dictionary; a secret must stay what it is.
        self._as_text = {} if hasattr(templar, "evaluate_expression") else {"convert_data": False}

    def variable(self, name: str, value: t.Any) -> t.Any:
        """The plain value; None when it is omitted, C(Unreadable) in the places that cannot be read."""
        found = self._resolve(value, secret=False, inside=name == _SECRETS)
        return None if found is _OMIT else found

    def _resolve(self, value: t.Any, *, secret: bool, inside: bool = False) -> t.Any:
        """C(inside): what this contains are secrets."""
        if isinstance(value, t.Mapping):
            pairs = ((_plain(key), self._resolve(item, secret=secret or inside)) for key, item in value.items())
            return {key: item for key, item in pairs if item is not _OMIT}
        if isinstance(value, (list, tuple)):
            items = (self._resolve(item, secret=secret or inside) for item in value)
            return [item for item in items if item is not _OMIT]
        if value is None or isinstance(value, (bool, int, float, datetime.date)):
            return _plain(value)
        return self._evaluate(value, secret=secret)

    def _evaluate(self, value: t.Any, *, secret: bool) -> t.Any:
        try:
            return self._settle(self._templar.template(value, **(self._as_text if secret else {})))
        except errors.AnsibleUndefinedVariable as error:
            return Unreadable(f"its template cannot be evaluated: {_first_line(error)}", _UNDEFINED)
        except errors.AnsibleError as error:
            # The text of any other error may hold a value.
            return _OMIT if isinstance(error, _OMITTED) else _failed(error)

    def _settle(self, value: t.Any) -> t.Any:
        """A template's result, in plain Python; an encrypted value is decrypted by turning it into a text."""
        if isinstance(value, t.Mapping):
            pairs = ((_plain(key), self._settle(item)) for key, item in value.items())
            return {key: item for key, item in pairs if item is not _OMIT}
        if isinstance(value, (list, tuple)):
            return [item for item in map(self._settle, value) if item is not _OMIT]
        found = _plain(value)
        return _OMIT if self._omit is not None and found == self._omit else found


_UNDEFINED = "Define it in the inventory, or pass it with -e."
_NO_KEY = "Pass --vault-password-file or --ask-vault-pass (vault_password_file in ansible.cfg)."


def _is_of_the_play(name: str, value: t.Any, here: Variables) -> bool:
    if not name.startswith(PREFIX):
        return False
    return name not in here or (here[name] is not value and here[name] != value)


def _failed(error: Exception) -> Unreadable:
    cause: BaseException | None = error
    while cause is not None:
        if "vault" in type(cause).__name__.lower() or "decrypt" in str(cause).lower():
            return Unreadable("it cannot be decrypted", _NO_KEY)
        cause = cause.__cause__ or cause.__context__
    return Unreadable(f"its template fails ({type(error).__name__})", "Try it with ansible.builtin.debug.")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].partition(". ")[0].strip()


def _plain(value: t.Any) -> t.Any:
    """A scalar of Python's own type, without Ansible's tags."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, datetime.date):
        return value
    return str(value)
