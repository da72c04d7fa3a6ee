# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one thing that every module around a stage does: options in, result out (private to the collection)."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from .stages.arguments import Arguments


def run_module(
    arguments: Arguments,
    perform: t.Callable[[dict[str, t.Any], bool], dict[str, t.Any]],
) -> t.NoReturn:
    """Call C(perform) with parameters and check mode, show its warnings, and exit by its C(failed)."""
    module = AnsibleModule(arguments.options, supports_check_mode=True, required_if=arguments.required_if)
    result = perform(module.params, module.check_mode)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
