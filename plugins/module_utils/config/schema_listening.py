# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may write about how clients connect to the balancer (private to the collection)."""

from __future__ import annotations

from .option import Option, Pattern
from .schema_service import HOST_NAME, PORT_HIGH, PORT_LOW

BIND = Pattern(r"(\*|[0-9A-Fa-f:.]+)( *, *(\*|[0-9A-Fa-f:.]+))*", "* or IP addresses with commas between them")
CERTIFICATE_NAME = Pattern(
    r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", "the name of a host, like shop.example.com or *.example.com"
)
PLACE = Pattern(
    r"[A-Za-z_][A-Za-z0-9_]*|/[^\0-\x20'\"\\]*[^\0-\x20'\"\\/]",
    "the name of a secret, or the absolute path of a file on the balancer, without spaces",
)
URL = Pattern(r"https://[\x21\x23-\x26\x28-\x5b\x5d-\x7e]+", "a URL that begins with https://")
EMAIL = Pattern(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", "an address for mail")
TWO_YEARS = 2 * 366 * 86400

TLS = Option(
    "tls",
    "section",
    "Clients connect by TLS, which the balancer ends: TLS 1.2 and 1.3 with the ciphers of Mozilla's intermediate"
    " recommendation, HTTP/2, and plain HTTP leads to HTTPS. Certificates are checked before anything is touched.",
    example="slipway_traffic:\n  routes: [{path: /api, service: backend}, {path: /, service: frontend}]\n"
    "  tls:\n    certificates:\n"
    "      - {chain: /etc/ssl/shop/fullchain.pem, key: /etc/ssl/shop/key.pem}",
    options=(
        Option(
            "certificates",
            "list",
            "The certificates. Which one a client gets is by the names that are in them; where none fits it is the first.",
            single=True,
            element=Option(
                "certificate",
                "section",
                "One certificate with its key.",
                options=(
                    Option(
                        "chain",
                        "string",
                        "The name of a secret, or a file of every balancer (begins with C(/)), in PEM: the host's own"
                        " certificate first, then that of each issuer.",
                        required=True,
                        pattern=PLACE,
                    ),
                    Option(
                        "key", "string", "The same for its key, without a passphrase.", required=True, pattern=PLACE
                    ),
                    Option(
                        "hosts",
                        "list",
                        "Names that it must be good for. The hosts of C(routes) must be among those of all certificates"
                        " anyhow.",
                        default=[],
                        single=True,
                        unique=True,
                        element=Option("host", "string", "One name.", pattern=CERTIFICATE_NAME),
                    ),
                ),
            ),
        ),
        Option(
            "acme",
            "section",
            "One more certificate, the first one, that certbot gets from an ACME server such as Let's Encrypt, and renews:"
            " C(provision) sets it up on each balancer, whichever of them these hosts lead to.",
            options=(
                Option(
                    "hosts",
                    "list",
                    "The names that it is for, no wildcards.",
                    required=True,
                    single=True,
                    unique=True,
                    element=Option("host", "string", "One name.", pattern=HOST_NAME),
                ),
                Option("email", "string", "Whom the ACME server writes to.", pattern=EMAIL),
                Option(
                    "directory",
                    "string",
                    "The directory of the ACME server; Let's Encrypt by default.",
                    default="https://acme-v02.api.letsencrypt.org/directory",
                    pattern=URL,
                ),
            ),
        ),
        Option(
            "redirect_from",
            "integer",
            "The port on which plain HTTP is answered with a redirect to HTTPS (status 308), but for the paths of the"
            " services' checks and for those of ACME. 0 is none.",
            default=80,
            low=0,
            high=PORT_HIGH,
        ),
        Option(
            "hsts",
            "duration",
            "For how long browsers are told to come by HTTPS only (C(Strict-Transport-Security)). They keep to it: begin"
            " with minutes. 0 tells nothing.",
            default=0.0,
            high=TWO_YEARS,
        ),
        Option("http2", "boolean", "Whether HTTP/2 is offered.", default=True),
        Option(
            "minimum",
            "string",
            "The oldest version of TLS that is spoken.",
            default="TLSv1.2",
            choices=("TLSv1.2", "TLSv1.3"),
        ),
    ),
)

LISTENING = (
    Option(
        "listen",
        "integer",
        "The port that clients connect to: 80 by default, with C(tls) 443.",
        low=PORT_LOW,
        high=PORT_HIGH,
    ),
    Option(
        "bind",
        "string",
        "The addresses that clients connect to, with commas between them; C(*) is every one of IPv4, C(::) every one of"
        " IPv4 and IPv6.",
        default="*",
        pattern=BIND,
    ),
    TLS,
)
