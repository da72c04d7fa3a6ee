# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every model's module takes that acts on one side of a platform, beside what is the model's own."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  side:
    description: The side that is acted on, the new one. Required unless O(state=observed).
    type: str
    choices: [blue, green]
  live_side:
    description:
      - The side that had the traffic when the release began, as read back from whatever moves it; empty when none had.
      - Without it, the side of the release that was last settled on this machine counts as live.
    type: str
  release:
    description:
      - The release that this is a stage of. The stage is fenced and written to the journal of the machine.
      - Without it the module acts alone, under the lock of this machine only.
    type: dict
    suboptions:
      id:
        description: Id of the release.
        type: str
        required: true
      token:
        description: Fencing token of its lease.
        type: int
        required: true
      holder:
        description: Who holds the lease; the action plugin adds it.
        type: dict
        default: {}
      stage:
        description: Name of the stage, for the journal. The default is the O(state).
        type: str
      deadline:
        description: Seconds that the stage may take.
        type: float
        default: 900
      spec:
        description: With O(state=decided), the frozen specification; it goes to the journal before anything else.
        type: dict
      diagnosis:
        description: With O(state=reverted), what failed where; for the journal.
        type: list
        elements: raw
        default: []
      mark_bad:
        description: With O(state=reverted), refuse this version from now on. Not for a failure of the infrastructure.
        type: bool
        default: false
      outcome:
        description:
          - With O(state=reverted), what the journal says of it; V(restored) when a database was restored meanwhile.
          - V(open) says nothing yet and keeps the lock, for the traffic to be confirmed before the release ends. The
            new side stops before the old one starts then.
        type: str
        choices: [reverted, restored, open]
        default: reverted
  retained:
    description:
      - With O(state=fetched) and O(state=prepared), releases from before this machine had a part in the platform, oldest first.
        They are brought here before anything is started, so that it can go back to them; what cannot be had is a warning.
      - Each has C(release), C(version), C(identity), C(side), C(services) and C(marks), by which its images or its code are
        told from later ones of the same name; of processes also C(packages), which the action plugin has put on the machine.
    type: list
    elements: dict
    default: []
  version:
    description: Version of the platform, for labels.
    type: str
    default: ""
  identity:
    description:
      - Identity of the release (version, configuration and secrets).
      - The default is a hash of version and services.
    type: str
    default: ""
  secrets:
    description:
      - A JSON object of names and values, encoded in base64. The action plugin makes it of C(slipway_secrets) or of a
        mapping given here.
    type: str
    default: ""
  keep:
    description: How many releases are kept for a rollback.
    type: int
    default: 3
"""
