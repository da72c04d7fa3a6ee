#!/bin/sh
# PID 1 of a lab machine until systemd takes over: what differs from machine to machine and from boot to boot.
set -eu

# A boot id of its own: a container sees its host's, so every machine would seem one, and no reboot would be seen.
mkdir -p /run/slipway-lab
cat /proc/sys/kernel/random/uuid >/run/slipway-lab/boot_id
mount --bind /run/slipway-lab/boot_id /proc/sys/kernel/random/boot_id

# The key that opens this machine, for root and for a user with sudo.
for home in /root /home/deploy; do
  install -d -m 0700 "$home/.ssh"
  printf '%s\n' "$SLIPWAY_LAB_KEY" >"$home/.ssh/authorized_keys"
done
chown -R deploy:deploy /home/deploy/.ssh

# A host key of its own. Only this type: making an RSA key would take longer than the whole boot.
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key

# The engine inside: trusts the lab's registry (plain HTTP) and keeps its containers within this machine's own control group,
# so that they go with the machine. cgroupfs: systemd in here does not manage the host's tree, whose paths we see.
if [ -e /etc/slipway-lab-ready ] && [ ! -e /etc/docker/daemon.json ]; then
  own=$(sed -n -e 's/^[0-9]*:memory://p' -e 's/^0:://p' /proc/self/cgroup | grep -v '^/$' | head -n 1 || true)
  mkdir -p /etc/docker
  cat >/etc/docker/daemon.json <<EOF
{
  "insecure-registries": ["$SLIPWAY_LAB_SUBNET"],
  "mtu": $SLIPWAY_LAB_MTU,
  "exec-opts": ["native.cgroupdriver=cgroupfs"],
  "cgroup-parent": "${own%/}/engine"
}
EOF
fi

exec env -u SLIPWAY_LAB_KEY -u SLIPWAY_LAB_SUBNET -u SLIPWAY_LAB_MTU /lib/systemd/systemd
