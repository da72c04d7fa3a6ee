# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that is right, for tests that break one thing in it."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.slipway.deploy.plugins.module_utils.config.findings import ConfigError
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate

SECRET = "postgresql://shop:planted-secret-1@db/shop"

SITE: dict[str, t.Any] = {
    "slipway_platform": "shop",
    "slipway_environment": "production",
    "slipway_version": "1.4.2",
    "slipway_services": {
        "frontend": {
            "image": "registry.example.com/shop/frontend:1.4.2",
            "port": 80,
            "assets": {"path": "/usr/share/nginx/html/assets", "keep": "2h"},
        },
        "backend": {
            "image": "registry.example.com/shop/backend:1.4.2",
            "port": 8080,
            "replicas": 2,
            "health": {"path": "/health"},
            "smoke": [{"path": "/api/products", "status": 200, "contains": '"items"'}],
            "env": {"LOG_LEVEL": "info"},
            "secrets": ["DATABASE_URL"],
            "container": {"mem_limit": "256m"},
        },
        "worker": {
            "image": "registry.example.com/shop/backend:1.4.2",
            "command": ["python", "-m", "shop.worker"],
            "traffic": False,
        },
    },
    "slipway_secrets": {"DATABASE_URL": SECRET},
    "slipway_traffic": {
        "provider": "haproxy",
        "listen": 80,
        "routes": [{"path": "/api", "service": "backend"}, {"path": "/", "service": "frontend"}],
    },
    "slipway_database": {"engine": "postgresql", "url": SECRET},
}


def site(**changes: t.Any) -> dict[str, t.Any]:
    """A copy of the site; a change named like C(services__backend__replicas) goes deep, None takes away."""
    variables = copy.deepcopy(SITE)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: t.Any = variables
        for number, parent in enumerate(parents):
            place = place[f"slipway_{parent}" if number == 0 else parent]
        name = last if parents else f"slipway_{last}"
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value
    return variables


def inventory(apps: str = "app1 app2", proxies: str = "lb1", **more: t.Any) -> dict[str, t.Any]:
    """Groups and machines at 10.0.0.1 and up; more groups as texts, variables of machines as dictionaries."""
    groups = {"slipway_app": apps.split(), "slipway_proxy": proxies.split()}
    groups.update({name: text.split() for name, text in more.items() if isinstance(text, str)})
    names = dict.fromkeys([*groups["slipway_app"], *groups["slipway_proxy"]])
    hosts = {name: {"ansible_host": f"10.0.0.{number}"} for number, name in enumerate(names, 1)}
    for name, variables in more.items():
        if isinstance(variables, dict):
            hosts.setdefault(name, {}).update(variables)
    return {"groups": {name: members for name, members in groups.items() if members}, "hosts": hosts}


def config(variables: dict[str, t.Any] | None = None, machines: dict[str, t.Any] | None = None, **how: t.Any) -> t.Any:
    """The validated configuration."""
    return validate(site() if variables is None else variables, machines or inventory(), **how)


def problems(variables: dict[str, t.Any], machines: dict[str, t.Any] | None = None) -> list[str]:
    """The texts of all problems; none when the configuration is right."""
    try:
        config(variables, machines)
    except ConfigError as error:
        return [problem.text for problem in error.problems]
    return []
