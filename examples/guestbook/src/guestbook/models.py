# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest has written."""

from django.db import models


class Entry(models.Model):
    """One line of the book."""

    name = models.CharField(max_length=100)
    text = models.TextField()
