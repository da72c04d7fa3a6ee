# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store that says yes and does something else, which none of the emulators does."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.remote import RemoteStore, Upload
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError


class Lies(RemoteStore):
    """Keeps and gives back so many bytes, and says how many it has."""

    def __init__(self, keeps, gives=1 << 30):
        super().__init__("shop")
        self.keeps, self.gives, self.there = keeps, gives, {}

    def entries(self):
        return sorted(self.there)

    def delete(self, key):
        self.there.pop(key, None)

    def leftovers(self, *, remove):
        return []

    def url(self, key):
        return f"lies://{key}"

    def _begin(self, key):
        return Sending(self, key)

    def _read(self, key):
        yield self.there[key][: self.gives]

    def _size(self, key):
        return len(self.there[key]) if key in self.there else None


class Sending(Upload):
    def __init__(self, store, key):
        self.store, self.key, self.sent = store, key, b""

    def part(self, data):
        self.sent += data

    def finish(self):
        if self.store.keeps:
            self.store.there[self.key] = self.sent[: self.store.keeps]

    def abort(self):
        self.sent = b""


@pytest.mark.parametrize("keeps, found", [(0, "nothing"), (2, "2 bytes")])
def test_what_is_not_kept_is_told_and_nothing_is_left_of_it(keeps, found):
    store = Lies(keeps)
    with pytest.raises(
        SlipwayError, match=f"lies://a: is not what was sent; found '{found}', wanted '3 bytes'"
    ) as caught:
        store.put("a", [b"abc"])
    assert caught.value.cause == "store_failed"
    assert store.entries() == []


def test_an_answer_that_is_too_short_is_told():
    store = Lies(keeps=3, gives=2)
    store.put("a", [b"abc"])
    with pytest.raises(SlipwayError, match="the answer ended after 2 of 3 bytes") as caught:
        list(store.get("a"))
    assert caught.value.cause == "store_unreachable"
