# shellcheck shell=sh disable=SC2086 # PACKAGES is to be split into words
# Runs in a container of the bare image (PACKAGES in front of it): all that the machines of a test may need, installed, so
# that none of them waits for a mirror. Proxies and the database are off: a machine turns on what it is.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
apt-get update
apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io $PACKAGES
rm /usr/sbin/policy-rc.d
systemctl disable haproxy.service nginx.service postgresql.service pgbouncer.service docker-registry.service supervisor.service
systemctl mask logrotate.timer
systemctl enable docker.service
# Both listen on port 80 by default; neither is wanted before somebody configures it.
rm -f /etc/nginx/sites-enabled/default
touch /etc/slipway-lab-ready
apt-get clean
rm -rf /var/lib/apt/lists/* /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
