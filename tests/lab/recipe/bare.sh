# shellcheck shell=sh
# Runs in the fresh root (chroot): makes a machine of it. No Docker, no proxies: what a new small VM has.
set -eu
chmod 0755 /sbin/slipway-lab-init /usr/local/bin/python3-faketime

# No hardware, no seats, no consoles in a container; and nothing that wakes up by itself while something is measured.
systemctl mask systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udev-trigger.service \
  systemd-logind.service console-getty.service getty.target getty@tty1.service systemd-firstboot.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer motd-news.timer \
  dev-hugepages.mount sys-fs-fuse-connections.mount systemd-remount-fs.service systemd-modules-load.service
systemctl set-default multi-user.target

useradd --create-home --shell /bin/bash deploy
printf 'deploy ALL=(ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/deploy
chmod 0440 /etc/sudoers.d/deploy

rm -f /etc/ssh/ssh_host_*
printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\nUseDNS no\n' \
  >/etc/ssh/sshd_config.d/slipway-lab.conf
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\n' >/etc/systemd/journald.conf.d/slipway-lab.conf

update-ca-certificates >/dev/null
: >/etc/machine-id
rm -f /etc/hostname
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt /usr/share/doc/* /usr/share/man/* /usr/share/locale/*
