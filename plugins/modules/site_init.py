#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: site_init
short_description: Write the files of a new site
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - Writes playbooks, an inventory, the variables of a platform with a comment for each that one will want to change, a
    requirements file, C(ansible.cfg), C(.gitignore) and an example of a vault.
  - A file that is there is never changed.
  - Runs on the controller only. The playbook C(slipway.deploy.init) asks for what is not given.
options:
  directory:
    description: Directory of the site; it is made where it is missing.
    type: path
    required: true
  platform:
    description: Name of the platform; by default that of the directory.
    type: str
  environment:
    description: Name of its environment.
    type: str
    default: production
  model:
    description: What the services run as.
    type: str
    default: container
  service:
    description: Name of the first service.
    type: str
    default: web
  image:
    description: With O(model=container), its image without a tag; by default the name of the platform.
    type: str
  port:
    description: The port that it listens on.
    type: int
    default: 8080
  health:
    description: The path that answers 200 when it can serve.
    type: str
    default: /health
  machines:
    description: The machines that run the services, each V(NAME) or V(NAME=ADDRESS). A list, or one line with commas.
    type: raw
    required: true
  balancers:
    description:
      - The machines that customers connect to, the same way. By default a single machine balances for itself. V(none) is
        for a balancer that is somebody else's.
    type: raw
  user:
    description: The user to connect as; any but V(root) must be allowed to become root.
    type: str
    default: root
  database:
    description: What the database is.
    type: str
    choices: [none, postgresql, mariadb, mysql, sqlite]
    default: none
  migrations:
    description: What the migrations of its schema are written for.
    type: str
    choices: [none, sql, alembic, django, knex]
    default: none
attributes:
  check_mode:
    description: Says what would be written.
    support: full
  diff_mode:
    description: Shows the new files.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Write a site for one machine
  slipway.deploy.site_init:
    directory: ~/shop
    image: registry.example.com/shop/web
    machines: shop.example.com
"""

RETURN = r"""
directory:
  description: The directory of the site.
  returned: success
  type: str
  sample: /srv/sites/shop
written:
  description: The files that were made, or would be.
  returned: success
  type: list
  elements: str
  sample: [ansible.cfg, deploy.yml]
kept:
  description: The files that were there, and are as they were.
  returned: success
  type: list
  elements: str
  sample: []
"""

# This file holds the documentation; the code is the action plugin of the same name and runs on the controller.
