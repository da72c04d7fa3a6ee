# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manager does not know of a service, as far as no machine has to be asked (private to the collection)."""

from __future__ import annotations

from .spec import Service


def refuse_unknown(manager: str, service: Service) -> None:
    """Refuse directives, and options of the service, that its manager does not know.

    :raises SlipwayError: C(invalid), naming the first.
    """
    if manager == "supervisor":
        from .supervisor_conf import refuse_unknown as refuse
    elif manager == "pm2":
        from .pm2_app import refuse_unknown as refuse
    else:
        from .systemd_unit import refuse_unknown as refuse
    refuse(service)
