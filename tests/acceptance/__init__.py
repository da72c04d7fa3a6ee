# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acceptance: whole releases of examples/shop, over SSH, on machines of the lab. Nothing is simulated.

How to write one:

- ``fleet`` (of one test) is app1, app2 and the balancer lb1, on which nothing was ever released: ``fleet.deploy("1.0.0")``.
- ``live`` (of one module) is the same with 1.0.0 released: for tests after which everything is as it was before.
  A module uses one of the two, never both.
- ``make_fleet(apps=…, proxies=…, …)`` is for any other shape; the machines are app1, app2, lb1 and lb2 (``machines``).
- Each of them resets the machines *before* a test: what a failed test has left can be looked at.
- ``check.py`` says what is true at the end of a release; ``machines.py`` reads machines behind Slipway's back.
- Watch and drain take a second or two (``settings.FAST``); a test that is about them sets its own.
- A long matrix is marked ``sample(count)``: so many of the marked tests of a file run, drawn by ``SEED`` (printed in
  pytest's header); ``make soak`` runs all, and a test's whole name (with ``::``) runs that one. ``rng`` draws what is left
  open inside a test. No test sleeps, retries, is skipped, or asserts how long something takes.

``SLIPWAY_KEEP_LAB=1`` leaves the lab up at the end, and the next run starts with it. The lab's name is ``acceptance``
(``SLIPWAY_LAB`` for another). ``SLIPWAY_RATE`` is how many requests a second the tests under load send
(250, in a soak 500).
"""
