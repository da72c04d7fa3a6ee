# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Django's settings: what is secret comes from files, everything else is written here."""

from __future__ import annotations

import os
import urllib.parse
from pathlib import Path


def secret(name: str) -> str:
    """What Slipway puts into a file for this container alone."""
    return Path(os.environ[f"{name}_FILE"]).read_text(encoding="utf-8").strip()


_where = urllib.parse.urlsplit(secret("DATABASE_URL"))

SECRET_KEY = secret("SECRET_KEY")
# For the migrations Slipway leads "default" to admin_url, whatever is written here.
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _where.path.lstrip("/"),
        "USER": urllib.parse.unquote(_where.username or ""),
        "PASSWORD": urllib.parse.unquote(_where.password or ""),
        "HOST": _where.hostname or "",
        "PORT": str(_where.port or 5432),
    }
}
INSTALLED_APPS = ["guestbook"]
ROOT_URLCONF = "guestbook.urls"
ALLOWED_HOSTS = ["*"]  # the balancer is the only one that gets here
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
