# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a closed platform answers, and what is read back of it."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_config, nginx_config, structure
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.closure import (
    DEFAULT_PAGE,
    PAGE_BYTES,
    build_closure,
    told,
)
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.model import Traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.weights import wanted_weights
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import shop_traffic
from hypothesis import given
from hypothesis import strategies as st

PAGES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc")) | st.sampled_from("\n\t\r'\"\\$#{}%"), min_size=1, max_size=300
)


def traffic(path: str = "/health?deep=1") -> Traffic:
    server = {"name": "blue_app1_1", "address": "10.1.2.3", "port": 20000}
    return shop_traffic({"health": {"path": path}, "sides": {"blue": [server]}}, weights={"blue": 100, "green": 0})


def closed(**wanted: t.Any) -> Traffic:
    return traffic()._replace(closure=build_closure(wanted, traffic(), 1000.0))


def haproxy_text(wanted: Traffic) -> str:
    return haproxy_config.platform_text(wanted, wanted_weights(wanted), "/var/lib/slipway/haproxy")


def nginx_text(wanted: Traffic) -> str:
    return nginx_config.platform_text(wanted, wanted_weights(wanted), "/var/log/nginx/x.log")


TEXTS = pytest.mark.parametrize("text", [haproxy_text, nginx_text], ids=["haproxy", "nginx"])
Text = t.Callable[[Traffic], str]


def test_what_is_not_said_has_a_default() -> None:
    closure = closed().closure
    assert closure is not None
    assert (closure.retry_after, closure.page, closure.paths, closure.hold) == (60, DEFAULT_PAGE, ("/health",), 0.0)
    assert closed(paths=[]).closure == closure._replace(paths=())


def test_since_when_it_is_closed_stays_when_it_is_closed_again() -> None:
    again = build_closure({"retry_after": 5}, closed(), 2000.0)
    assert (again.since, again.retry_after) == (1000.0, 5)
    about = told(closed(), 1042.25)
    assert about is not None and (about["since"], about["seconds"]) == (1000.0, 42.2)
    assert told(closed(), 900.0)["seconds"] == 0.0, "a clock that was set back"  # type: ignore[index]
    assert told(traffic(), 1.0) is None and told(None, 1.0) is None


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"retry_after": 0}, "closed.retry_after"),
        ({"retry_after": "soon"}, "closed.retry_after"),
        ({"retry_after": True}, "closed.retry_after"),
        ({"hold": -1}, "closed.hold"),
        ({"hold": 121}, "closed.hold"),
        ({"hold": float("nan")}, "closed.hold"),
        ({"page": "x\0"}, "closed.page"),
        ({"page": ["x"]}, "closed.page"),
        ({"page": "ü" * (PAGE_BYTES // 2 + 1)}, "closed.page"),
        ({"paths": ["/ok", "health"]}, "closed.paths[1]"),
        ({"paths": ["/health?x=1"]}, "closed.paths[0]"),
        ({"paths": ["/a b"]}, "closed.paths[0]"),
        ({"paths": [7]}, "closed.paths[0]"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(wanted: dict[str, t.Any], named: str) -> None:
    with pytest.raises(SlipwayError) as refused:
        closed(**wanted)
    assert (refused.value.cause, refused.value.obj) == ("invalid", named)


@TEXTS
def test_the_file_says_how_the_platform_is_closed(text: Text) -> None:
    wanted = closed(page="<p>$5</p>\n" * 300, hold=0, paths=["/a", "/b"])
    found = structure.specification(text(wanted))
    assert found is not None and found.closure == wanted.closure and not found.entrance
    entered = structure.specification(text(traffic()._replace(entrance=True)))
    assert entered is not None and entered.entrance and entered.closure is None


@TEXTS
def test_a_platform_that_is_open_has_no_line_of_it(text: Text) -> None:
    assert text(traffic()) == text(traffic()._replace(closure=None, entrance=False))
    for word in ("closure", "entrance", "503", "Retry-After", "held", "127.", "dollar"):
        assert word not in text(traffic())


def test_to_close_and_to_open_want_a_reload_and_since_when_does_not() -> None:
    texts = [traffic(), closed(), closed(hold=5), closed(retry_after=5), traffic()._replace(entrance=True)]
    assert len({haproxy_config.generation(one) for one in texts}) == len(texts)
    later = closed()._replace(closure=build_closure({}, traffic(), 2000.0))
    assert haproxy_config.generation(later) == haproxy_config.generation(closed())


@given(PAGES)
def test_a_page_is_one_word_of_haproxy_and_comes_out_again(page: str) -> None:
    word = haproxy_config.escaped(page)
    assert re.fullmatch(r"(?:\\x[0-9a-f]{2}|[^\s\\'\"#$])+", word), word
    assert re.sub(rb"\\x(..)", lambda match: bytes.fromhex(match[1].decode()), word.encode()).decode() == page


@given(PAGES)
def test_a_page_comes_out_of_the_texts_of_nginx_again(page: str) -> None:
    text = nginx_text(closed(page=page * 10))
    pieces = re.findall(r"^    set \$\w+_page '\$\{\w+_page\}((?:[^'\\]|\\.)*)';$", text, re.MULTILINE | re.DOTALL)
    assert all(len(piece.encode()) <= structure.LINE_BYTES for piece in pieces)
    whole = "".join(pieces).replace("${slipway_shop_production_dollar}", "$")
    assert re.sub(r"\\(.)", r"\1", whole, flags=re.DOTALL) == page * 10
