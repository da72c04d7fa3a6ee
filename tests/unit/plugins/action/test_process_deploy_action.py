# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller side of process_deploy."""

from __future__ import annotations

import yaml
from ansible_collections.slipway.deploy.plugins.action.process_deploy import keys
from ansible_collections.slipway.deploy.plugins.modules import process_deploy


def test_the_key_of_a_repository_is_a_secret_that_is_handed_over():
    services = yaml.safe_load(process_deploy.EXAMPLES)[0]["slipway.deploy.process_deploy"]["services"]
    assert keys(services.values()) == [{"secrets": ["DEPLOY_KEY"]}]
