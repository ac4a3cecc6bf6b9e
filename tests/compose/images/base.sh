#!/bin/sh
# Makes the image on which the stand-ins are built, Debian 12: base.sh IMAGE LABEL. Needs root.
set -eu

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
trap 'exit 1' HUP INT TERM

debootstrap --variant=minbase --include=ca-certificates bookworm "$root" >&2

# pip asks over TLS; what this machine trusts is right here, too.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
# These images are thrown away: no documents, no services, no waiting for the disk.
printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' \
  'path-exclude=/usr/share/locale/*' >"$root/etc/dpkg/dpkg.cfg.d/small"
printf '%s\n' 'APT::Install-Recommends "0";' 'Acquire::Languages "none";' \
  >"$root/etc/apt/apt.conf.d/small"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# The lists of packages stay: apt-get update of a stand-in then has little to do.
rm -rf "$root"/var/cache/apt/archives/*.deb

tar --directory "$root" --create . | docker import --change "LABEL $2" --change 'CMD ["bash"]' \
  --change 'ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8' \
  --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' - "$1"
