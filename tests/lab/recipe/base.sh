# shellcheck shell=sh disable=SC2086 # PACKAGES is to be split into words
# Runs in a container of the bare image (PACKAGES in front of it); writes the root of a small image for applications to
# standard output, as tar. Unpacked rather than installed: no package manager, no perl, half the size of a debootstrap.
set -eu
exec 3>&1 >&2
export LC_ALL=C.UTF-8
mkdir -p /build/partial /build/lists/partial /build/root
cd /build
apt-get update
# An empty status file: everything is to be fetched, also what this machine has already.
: >status
apt-get install -y --no-install-recommends --download-only -o APT::Sandbox::User=root -o Dir::State::status=/build/status \
  -o Dir::Cache::archives=/build $PACKAGES
rm -f perl-base_* debconf_* dpkg_* tar_* adduser_* passwd_* libpam* init-system-helpers_* mawk_* libdb5* libaudit* libsemanage* libsepol*
mkdir -p root/usr/bin root/usr/sbin root/usr/lib root/usr/lib64 root/tmp root/run root/proc root/sys root/dev root/root
chmod 1777 root/tmp
for directory in bin sbin lib lib64; do ln -s "usr/$directory" "root/$directory"; done
for package in *.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C root; done

cp root/usr/share/base-passwd/passwd.master root/etc/passwd
cp root/usr/share/base-passwd/group.master root/etc/group
ln -sf python3 root/usr/bin/python
[ -e root/usr/bin/sh ] || ln -s dash root/usr/bin/sh
cp /etc/ssl/certs/ca-certificates.crt root/etc/ssl/certs/ 2>/dev/null || install -D /etc/ssl/certs/ca-certificates.crt root/etc/ssl/certs/ca-certificates.crt
ln -sf /usr/share/zoneinfo/UTC root/etc/localtime
mkdir -p root/var/log/nginx root/var/lib/nginx root/etc/nginx/modules-enabled
rm -f root/etc/nginx/sites-enabled/default
ldconfig -r root
rm -rf root/usr/share/doc root/usr/share/man root/usr/share/locale root/usr/share/i18n root/usr/share/info root/usr/share/lintian \
  root/usr/lib/*/gconv root/usr/lib/python3*/test root/usr/lib/python3*/ensurepip root/usr/lib/python3*/idlelib \
  root/usr/lib/python3*/lib2to3 root/usr/lib/python3*/pydoc_data root/usr/share/python-wheels root/var/cache/* root/var/lib/apt
# Compiled once here; otherwise every container would compile its imports again at every start.
chroot root /usr/bin/python3 -m compileall -q /usr/lib/python3 /usr/lib/python3.* || true
tar -C root -c . >&3
