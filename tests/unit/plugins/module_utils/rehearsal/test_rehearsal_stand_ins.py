# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program gets in the place of its secrets leads to the copy, and tells nothing."""

from __future__ import annotations

import re
import urllib.parse

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.stand_ins import (
    dummy,
    filled,
    leads,
    rewritten,
    stand_ins,
)
from hypothesis import given
from hypothesis import strategies as st

COPY = Copy("postgresql", "shop", "shop", "admin", "/tmp/s")
MARIADB = Copy("mariadb", "shop", "root", "root", "/tmp/s/s")
PASSWORD = "pr0duct10n"

words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)
hosts = st.from_regex(r"[a-z]{3,12}\.example\.com|192\.0\.2\.\d{1,2}|\[2001:db8::\d\]", fullmatch=True)
schemes = st.sampled_from(["postgres", "postgresql", "postgresql+asyncpg", "postgis", "PostgreSQL"])
options = st.lists(
    st.sampled_from(
        [
            ("sslmode", "verify-full"),
            ("sslrootcert", "/etc/ca.pem"),
            ("password", "n0-such-luck"),
            ("host", "other.example.com"),
            ("target_session_attrs", "read-write"),
            ("application_name", "shop"),
            ("connect_timeout", "3"),
            ("options", "-csearch_path%3Dshop"),
        ]
    ),
    unique=True,
)
MEANT = {"application_name", "connect_timeout", "options"}


@given(schemes, words, words, st.lists(hosts, min_size=1, max_size=3), st.integers(1, 65535), words, options)
def test_a_url_leads_to_the_copy_and_to_nothing_else(scheme, user, password, names, port, database, more):
    user, password, database = (urllib.parse.quote(one, safe="") for one in (user, password, database))
    where = ",".join(f"{name}:{port}" for name in names)
    query = "&".join(f"{name}={value}" for name, value in more)
    url = f"{scheme}://{user}:{password}@{where}/{database}{'?' if query else ''}{query}"

    found = urllib.parse.urlsplit(rewritten(url, COPY, 6000))

    assert (found.scheme, found.hostname, found.port) == (scheme.lower(), "127.0.0.1", 6000)
    assert (found.username, found.path) == ("shop", "/shop")
    assert found.query.split("&") == ([f"{name}={value}" for name, value in more if name in MEANT] or [""])


@pytest.mark.parametrize(
    ("text", "copy", "wanted"),
    [
        ("postgres://a:b@db/x", COPY, "postgres://shop:rehearsal@127.0.0.1:7/shop"),
        ("postgres://db/x\n", COPY, "postgres://shop:rehearsal@127.0.0.1:7/shop"),
        (
            "jdbc:postgresql://db:5432,b/x?user=u&password=p&ssl=true&currentSchema=s",
            COPY,
            "jdbc:postgresql://127.0.0.1:7/shop?currentSchema=s&user=shop&password=rehearsal",
        ),
        (
            "host=db user=u password='it\\'s' dbname = x sslmode=require connect_timeout=3",
            COPY,
            "host='127.0.0.1' port='7' user='shop' password='rehearsal' dbname='shop' connect_timeout=3",
        ),
        ("mysql2://a:b@db/x?ssl-ca=/ca&pool=5", MARIADB, "mysql2://root@127.0.0.1:7/shop?pool=5"),
        ("jdbc:mariadb://db/x?useSSL=true", MARIADB, "jdbc:mariadb://127.0.0.1:7/shop?user=root"),
        ("postgres://a:b?c=d@db/x", COPY, "postgres://shop:rehearsal@127.0.0.1:7/shop"),
        ("mysql://a:b@db/x", COPY, None),
        ("postgres://a:b@db/x", MARIADB, None),
        ("host=db", MARIADB, None),
        ("redis://:b@db/0", COPY, None),
        ("user=u password=p", COPY, None),
        ("a secret = with words", COPY, None),
        ("", COPY, None),
    ],
)
def test_every_form_of_a_connection_string_is_known(text, copy, wanted):
    assert rewritten(text, copy, 7) == wanted


@given(st.text(max_size=80))
def test_any_text_can_be_looked_at(text):
    found = rewritten(text, COPY, 7)

    assert found is None or leads(found, 7)


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=60))
def test_a_dummy_is_as_long_and_has_no_letter_where_it_was(text):
    made = dummy(text)

    if "://" in text:
        return
    assert len(made) == len(text)
    assert made != text
    kept = [one for one, other in zip(text, made) if one == other and one.isalnum()]
    assert not kept or text.startswith("-----") or "x" in text


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("0123456789", r"[0-9]{10}"),
        ("deadbeef00112233", r"[0-9a-f]{16}"),
        ("DEADBEEF00112233", r"[0-9A-F]{16}"),
        ("sk_live_51Habc", r"[a-z]{2}_[a-z]{4}_[0-9]{2}[A-Z][a-z]{3}"),
        ("c2VjcmV0LWtleQ==", r"[a-zA-Z0-9]{14}=="),
        ("--", r"xx"),
        ("", r""),
        ("redis://:pw@cache:6379/3", r"redis://:[a-z]{2}@127\.0\.0\.1:9/[0-9]"),
        ("https://k3y@o1.ingest.example.com/42?x=secret", r"https://[a-z][0-9][a-z]@127\.0\.0\.1:9/[0-9]{2}"),
        (
            "-----BEGIN PRIVATE" + " KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
            r"-----BEGIN PRIVATE" + r" KEY-----\n[A-Z]{4}\n-----END PRIVATE KEY-----\n",
        ),
    ],
)
def test_a_dummy_looks_like_its_secret(text, pattern):
    assert re.fullmatch(pattern, dummy(text))


def test_without_names_every_connection_string_of_the_engine_leads_to_the_copy():
    secrets = {"DATABASE_URL": "postgres://a:b@db/x", "CACHE": "redis://:pw@cache/0", "KEY": PASSWORD}

    found = stand_ins(secrets, [], COPY, 5432, {})

    assert leads(found["DATABASE_URL"], 5432)
    assert not leads(found["CACHE"], 5432)
    assert not any(PASSWORD in value for value in found.values())


def test_with_names_the_others_are_made_up():
    secrets = {"MAIN": "postgres://a:b@db/x", "OTHER": "postgres://a:b@stats/x"}

    found = stand_ins(secrets, ["MAIN"], COPY, 5432, {})

    assert [leads(found[name], 5432) for name in ("MAIN", "OTHER")] == [True, False]


def test_what_somebody_has_chosen_counts():
    given = filled({"URL": "pg://{user}:{password}@{host}:{port}/{database}?{x}", "N": 3}, COPY, 5432)

    assert given == {"URL": "pg://shop:rehearsal@127.0.0.1:5432/shop?{x}", "N": "3"}
    assert stand_ins({"URL": PASSWORD}, [], COPY, 5432, given) == {"URL": given["URL"]}
