# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the action plugins hand secrets to their modules (private to the collection)."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.slipway.deploy.plugins.plugin_utils.variables import read_secrets


def site_secrets(options: t.Iterable[t.Any], variables: t.Mapping[str, t.Any], templar: t.Any) -> dict[str, str]:
    """Those of the site's secrets that some options name with C(secrets) and C(env_secrets), and no others."""
    named = [option for option in options if isinstance(option, t.Mapping)]
    wanted = {name for option in named for key in ("secrets", "env_secrets") for name in option.get(key) or []}
    if not wanted:
        return {}
    return {name: value for name, value in read_secrets(variables, templar).items() if name in wanted}


def tls_secrets(tls: t.Any, variables: t.Mapping[str, t.Any], templar: t.Any) -> dict[str, str]:
    """Those that certificates and their keys are made of."""
    certificates = tls.get("certificates") or [] if isinstance(tls, t.Mapping) else []
    names = [one.get(part) for one in certificates if isinstance(one, t.Mapping) for part in ("chain", "key")]
    return site_secrets([{"secrets": [str(name) for name in names if name]}], variables, templar)


def encode_secrets(secrets: t.Mapping[str, t.Any]) -> str:
    """Secrets as one opaque parameter.

    AnsibleModule masks every occurrence of a no-log value in a result, so a secret that equals a common word would
    mask ordinary results too; the engines mask the values themselves, in evidence only.
    """
    if not secrets:
        return ""
    text = json.dumps({str(name): str(value) for name, value in secrets.items()})
    return base64.b64encode(text.encode()).decode()
