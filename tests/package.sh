#!/usr/bin/env bash
# A Debian package is installed into a root of its own, started as its unit would, upgraded, removed and purged: `just package`.
# Needs root, and a Debian for the root's lower layer; nothing of the host changes.
set -euo pipefail

if [ "${1:-}" != inside ]; then
    deb=$(realpath "${1:?usage: tests/package.sh FILE.deb}")
    exec unshare --mount --net --pid --fork "$(realpath "$0")" inside "$deb"
fi

fail() { echo "FAILED: $*" >&2; exit 1; }
stage=$(mktemp -d)
trap 'umount -lR "$stage" && rmdir "$stage"' EXIT
mount -t tmpfs tmpfs "$stage"
mkdir "$stage/upper" "$stage/work" "$stage/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/work" "$stage/root"
root=$stage/root
# What the unit shows of them: ProcSubset=pid, ProtectProc=invisible, ProtectKernelTunables=yes.
mount -t proc -o subset=pid,hidepid=invisible proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
# No systemd runs in there: what the unit does is done by hand.
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
cp "$2" "$root/tmp/trunkline.deb"
ip link set lo up
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"; }

! inside id trunkline 2>/dev/null || fail "there is a user trunkline before the package"
inside dpkg -i /tmp/trunkline.deb
inside id trunkline
inside dpkg --verify trunkline
[ "$(inside stat -c '%a %U %G' /etc/trunkline/trunkline.yaml)" = "640 root trunkline" ] || fail "mode of the configuration"
[ "$(inside stat -c '%a %U %G' /etc/trunkline)" = "750 root trunkline" ] || fail "mode of /etc/trunkline"
inside systemd-analyze verify --man=no trunkline.service trunkline.socket
inside systemd-analyze security --offline=true --threshold=15 trunkline.service | tail -1
inside man --warnings -l /usr/share/man/man1/trunkline.1.gz >/dev/null
inside sh -c 'trunkline man | cmp - /dev/fd/3 3<<EOF
$(zcat /usr/share/man/man1/trunkline.1.gz)
EOF' || fail "the manual page is of another program"
for page in README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE example.yaml alerts.yaml grafana.json docs/README.md docs/install.md; do
    [ -s "$root/usr/share/doc/trunkline/$page" ] || fail "/usr/share/doc/trunkline lacks $page"
done
inside bash -c '. /usr/share/bash-completion/completions/trunkline && complete -p trunkline' >/dev/null

# StateDirectory= and UMask= of the unit.
inside install -d -m 750 -o trunkline -g trunkline /var/lib/trunkline
umask 077
serve() {
    chroot "$root" setpriv --reuid trunkline --regid trunkline --clear-groups --no-new-privs --bounding-set -all \
        /usr/bin/trunkline serve --config /etc/trunkline/trunkline.yaml &
    served=$!
    for _ in $(seq 200); do
        if (exec 3<>/dev/tcp/127.0.0.1/9090 && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 && grep -q '200 OK' <&3) 2>/dev/null; then
            return
        fi
        kill -0 "$served" || fail "it did not start"
        read -rt 0.1 <> <(:) || true
    done
    fail "it never was ready"
}
end() { kill -TERM "$served" && wait "$served" || fail "it did not drain"; }

serve
end
[ -n "$(ls "$root/var/lib/trunkline")" ] || fail "it left no store"

echo 'cdr: { path: /var/lib/trunkline/cdr }' >>"$root/etc/trunkline/trunkline.yaml"
inside dpkg -i --force-confold /tmp/trunkline.deb
grep -q '^cdr:' "$root/etc/trunkline/trunkline.yaml" || fail "an upgrade undid the operator's change"
serve
inside trunkline ctl --config /etc/trunkline/trunkline.yaml status
inside trunkline ctl reload
end
inside trunkline store inspect /var/lib/trunkline
[ "$(inside stat -c '%a %U %G' /var/lib/trunkline/cdr)" = "750 trunkline trunkline" ] || fail "mode of the call detail records"

before=$(inside find /var/lib/trunkline -type f | sort)
inside dpkg -r trunkline
[ ! -e "$root/usr/bin/trunkline" ] || fail "the program is still there"
[ -e "$root/etc/trunkline/trunkline.yaml" ] || fail "a removal took the configuration"
inside dpkg -P trunkline
[ ! -e "$root/etc/trunkline/trunkline.yaml" ] || fail "a purge left the configuration"
for file in $before; do
    [ -e "$root$file" ] || fail "the store lost $file"
done
echo "the package installs, starts, is upgraded and goes, and leaves its store"
