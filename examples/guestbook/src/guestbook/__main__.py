# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the book until SIGTERM."""

from __future__ import annotations

import signal
import socketserver
import threading
from wsgiref.simple_server import WSGIServer, make_server

from django.core.wsgi import get_wsgi_application


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread for each connection; those that are at work are waited for."""


server = make_server("", 8000, get_wsgi_application(), server_class=Server)
signal.signal(signal.SIGTERM, lambda *_about: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
