# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a balancer is told of TLS, before a release and in it (C(module_utils.traffic.tls))."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  tls:
    description:
      - How clients connect by TLS; its certificates are checked before anything is touched.
      - Without it they connect in plain HTTP.
    type: dict
    suboptions:
      certificates:
        description:
          - The certificates, each with its key. Which one a client gets is by the names that are in them; where none fits it is
            the first one.
        type: list
        elements: dict
        required: true
        suboptions:
          chain:
            description:
              - A file of the balancer (begins with a slash), or the name of a secret, in PEM. The certificate of the host itself
                comes first, then that of each issuer.
            type: str
            required: true
          key:
            description: The same for its key, which must have no passphrase.
            type: str
            required: true
          hosts:
            description: Names that it must be good for. Those that routes are for must be among those of all certificates anyhow.
            type: list
            elements: str
            default: []
      redirect_from:
        description:
          - A port on which plain HTTP is answered with a redirect (308) to HTTPS, but for the paths of the services' checks
            and for what an ACME server asks for. V(0) is none.
        type: int
        default: 80
      hsts:
        description: Seconds for which a browser is told to come by HTTPS only (RFC 6797). V(0) tells nothing.
        type: int
        default: 0
      http2:
        description: Whether HTTP/2 is offered.
        type: bool
        default: true
      minimum:
        description: The oldest version of TLS that is spoken.
        type: str
        choices: [TLSv1.2, TLSv1.3]
        default: TLSv1.2
      acme_port:
        description:
          - A port of loopback to which requests for C(/.well-known/acme-challenge/) in plain HTTP go, so that an ACME client
            of this machine can answer them. V(0) is none.
        type: int
        default: 0
"""
