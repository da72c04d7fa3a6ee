# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes by host and path, as every proxy must have them; each may have more of its own."""

from __future__ import annotations

import contextlib
import typing as t

from .apps import App, get
from .proxies import Proxy

HOST = {"Host": "Shop.example.com:8080"}


@contextlib.contextmanager
def with_routes(
    proxy: Proxy, blue: App, green: App, port: int, more: t.Sequence[tuple[str, str, str | None]] = ()
) -> t.Iterator[None]:
    """C(backend) at all of one host, C(api) below a path of any; what goes where is asked.

    :param more: routes: path, service, and host or None; of a service that is new there is a program.
    """
    routes = [("/", "backend", "shop.example.com"), ("/api", "api", None), *more]
    params = proxy.params(port, [blue], [green])
    with contextlib.ExitStack() as apps:
        for name in {service for _path, service, _host in routes} - {"backend"}:
            app = App(name)
            apps.callback(app.stop)
            server = {"name": "blue_app1_1", "address": "127.0.0.1", "port": app.port}
            params["services"][name] = {"health": {"path": "/health"}, "sides": {"blue": [server]}}
        params["routes"] = [{"path": path, "service": service, "host": host} for path, service, host in routes]
        proxy.switch(params)
        assert [get(port, path)[0] for path in ("/api", "/api/x", "/apix", "/API", "/")] == [200, 200, 404, 404, 404]
        assert get(port, "/api/x?y") == (200, "api")
        assert [get(port, path, **HOST) for path in ("/", "/x", "/api")] == [(200, "blue")] * 3
        yield
