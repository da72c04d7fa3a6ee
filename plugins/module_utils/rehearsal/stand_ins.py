# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program gets in the place of its secrets, while it is tried on a copy of the database (private to the collection).

A connection string of the database leads to the copy; everything else is made up, and looks alike, so that a program that checks
the form of a secret starts. No letter and no digit of a secret stays where it was.
"""

from __future__ import annotations

import re
import secrets as chance
import string
import typing as t
import urllib.parse

from ..database.copied import Copy
from ..database.secrets import MYSQL

HOST = "127.0.0.1"
PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
NOWHERE = 9  # discard (RFC 863): nothing listens there
PASSWORD = "rehearsal"  # noqa: S105  # the copy of PostgreSQL asks for none and takes any; some programs insist on one

# Schemes by which drivers and frameworks call the engines (libpq, SQLAlchemy, Django, Rails, PHP, JDBC, R2DBC).
_POSTGRESQL = ("postgres", "postgresql", "postgis", "pgsql", "psql")
_MYSQL = ("mysql", "mysql2", "mysqli", "mysqlgis", "mariadb")
_URL = re.compile(
    r"(?P<scheme>(?P<java>jdbc:|r2dbc:)?(?P<kind>[a-z][a-z0-9]*)(?:\+[a-z0-9_.-]+)?)://(?P<rest>\S*)", re.IGNORECASE
)
_ANY_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.:-]*)://(?P<rest>\S*)", re.IGNORECASE)
_PAIR = re.compile(r"\s*(?P<name>[a-z_]+)\s*=\s*(?P<value>'(?:[^'\\]|\\.)*'|[^\s']\S*)(?=\s|\Z)", re.IGNORECASE)
_PARAMETER = re.compile(r"[A-Za-z_][\w.-]*")

# What says where the server is, who asks, and how the way there is secured; spelled as drivers do, in lower case.
_PLACE = (
    *("host", "hostaddr", "port", "user", "username", "password", "passwd", "pwd", "dbname", "database", "db"),
    *("socket", "unixsocket", "unix_socket", "unix-socket", "socketpath", "passfile", "service", "requirepeer"),
    *("target_session_attrs", "targetservertype", "load_balance_hosts", "loadbalancehosts", "hostrecheckseconds"),
    *("channel_binding", "channelbinding", "gssencmode", "gsslib", "krbsrvname", "kerberosservername", "require_auth"),
    *("usessl", "requiressl", "verifyservercertificate", "allowpublickeyretrieval", "enabledtlsprotocols", "secure"),
    *("authenticationplugins", "defaultauthenticationplugin", "trustservercertificate"),
)
_SECURED = ("ssl", "tls", "trustcertificate", "clientcertificate", "serverssl")  # how other such names begin


def stand_ins(
    secrets: t.Mapping[str, str], names: t.Collection[str], copy: Copy, port: int, given: t.Mapping[str, str]
) -> dict[str, str]:
    """A value for each secret.

    :param names: those that lead to the database; empty for all that are a connection string of its engine.
    :param port: of the copy.
    :param given: values that somebody has chosen, by name.
    """
    found = {}
    for name, value in secrets.items():
        leads = rewritten(value, copy, port) if not names or name in names else None
        found[name] = given[name] if name in given else dummy(value) if leads is None else leads
    return found


def filled(given: t.Mapping[str, t.Any], copy: Copy, port: int) -> dict[str, str]:
    """Values that somebody has chosen. C({host}), C({port}), C({user}), C({password}) and C({database}) in them are the copy's."""
    words = {"host": HOST, "port": str(port), "user": copy.user, "password": _password(copy), "database": copy.database}

    def one(text: str) -> str:
        return re.sub(r"\{(host|port|user|password|database)\}", lambda found: words[found[1]], text)

    return {str(name): one(str(value)) for name, value in given.items()}


def rewritten(text: str, copy: Copy, port: int) -> str | None:
    """A connection string that leads to the copy and is otherwise what it was; None where it is none of this engine.

    The rules are ours: scheme and driver stay, and of the parameters those that say neither where, nor as whom, nor how the way is
    secured. URLs with several hosts become one with one.
    """
    found = _URL.fullmatch(text.strip())
    kinds = _MYSQL if copy.engine in MYSQL else _POSTGRESQL if copy.engine == "postgresql" else ()
    if found is None or found["kind"].lower() not in kinds:
        return _keywords(text, copy, port) if copy.engine == "postgresql" else None
    parameters = _parameters(found["rest"])
    where, user, password = f"{HOST}:{port}", _quoted(copy.user), _password(copy)
    if (found["java"] or "").lower() == "jdbc:":
        parameters += [f"user={user}", *([f"password={password}"] if password else [])]
    else:
        where = f"{user}{':' if password else ''}{password}@{where}"
    query = "?" + "&".join(parameters) if parameters else ""
    return f"{found['scheme']}://{where}/{_quoted(copy.database)}{query}"


def leads(text: str, port: int) -> bool:
    """Whether a value is a connection string that leads to the copy."""
    return f"{HOST}:{port}/" in text or text.startswith(f"host='{HOST}' port='{port}'")


def dummy(text: str) -> str:
    """As long as the text, with other letters where it has letters and other digits where it has digits.

    Of a URL the scheme stays, so that a library takes it for one; it leads nowhere. So do lines such as those around a key.
    """
    url = _ANY_URL.fullmatch(text.strip())
    if url:
        login, at, place = url["rest"].partition("?")[0].rpartition("@")
        path = place.partition("/")[2]
        return f"{url['scheme']}://{_disguised(login)}{at}{HOST}:{NOWHERE}/{_disguised(path)}"
    lines = text.splitlines(keepends=True)
    made = "".join(line if line.startswith("-----") else _disguised(line) for line in lines)
    return made if made != text else "x" * len(text)


def _disguised(text: str) -> str:
    found = re.fullmatch(r"(?=.*[A-Fa-f])(?:(?P<lower>[0-9a-f]+)|[0-9A-F]+)", text.strip())
    digits = "" if found is None else "0123456789abcdef" if found["lower"] else "0123456789ABCDEF"
    return "".join(_other(letter, digits) for letter in text)


def _other(letter: str, hexadecimal: str) -> str:
    """Another one of its kind; what is neither a letter nor a digit stays.

    :param hexadecimal: the digits of such a number, where the text is one.
    """
    if not letter.isalnum():
        return letter
    letters = string.ascii_uppercase if letter.isupper() else string.ascii_lowercase
    kind = hexadecimal or (string.digits if letter.isdigit() else letters)
    return chance.choice([one for one in kind if one != letter])


def _parameters(rest: str) -> list[str]:
    """Those of a URL that mean something for the copy; none where a password may be among them."""
    query = rest.partition("?")[2].partition("#")[0]
    if "@" in query:  # the question mark was of a password that is not encoded
        return []
    return [one for one in query.split("&") if _PARAMETER.fullmatch(one.partition("=")[0]) and _harmless(one)]


def _harmless(parameter: str) -> bool:
    name = urllib.parse.unquote(parameter.partition("=")[0]).strip().lower()
    return name not in _PLACE and not name.startswith(_SECURED)


def _keywords(text: str, copy: Copy, port: int) -> str | None:
    """The other form of libpq (PostgreSQL manual, "Keyword/Value Connection Strings")."""
    pairs, at, stripped = [], 0, text.strip()
    while at < len(stripped):
        found = _PAIR.match(stripped, at)
        if found is None:
            return None
        pairs.append((found["name"].lower(), found["value"]))
        at = found.end()
    if not {"host", "hostaddr", "dbname"} & {name for name, _value in pairs}:
        return None
    given = {"host": HOST, "port": str(port), "user": copy.user, "password": PASSWORD, "dbname": copy.database}
    words = [f"{name}='{_escaped(value)}'" for name, value in given.items()]
    return " ".join([*words, *(f"{name}={value}" for name, value in pairs if _harmless(name))])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _password(copy: Copy) -> str:
    return PASSWORD if copy.engine == "postgresql" else ""


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")
