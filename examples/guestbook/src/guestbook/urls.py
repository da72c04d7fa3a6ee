# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pages: the book, and whether it can be read."""

from __future__ import annotations

import os

from django.http import HttpRequest, JsonResponse
from django.urls import path

from .models import Entry


def book(_request: HttpRequest) -> JsonResponse:
    """All entries, with all that this version knows of them."""
    return JsonResponse({"version": os.environ["GUESTBOOK_VERSION"], "entries": [*Entry.objects.values()]})


def health(_request: HttpRequest) -> JsonResponse:
    """Fine if the database answers."""
    return JsonResponse({"entries": Entry.objects.count()})


urlpatterns = [path("", book), path("health", health)]
