# The Debian packages that the node needs; sourced by script/setup.
# shellcheck shell=bash

# shellcheck disable=SC2034
NODE_PACKAGES=(
  ca-certificates python3 python3-venv
  orthanc orthanc-dicomweb orthanc-python redis-server nginx haproxy
  tcc # keeps Orthanc's ports on loopback, see docs/decisions/0011-loopback.md
  dcmtk dicom3tools pixelmed-apps libpixelmed-java default-jre-headless
)
# shellcheck disable=SC2034
TEST_PACKAGES=(chromium gcc git iproute2 nmap postgresql shellcheck)
# shellcheck disable=SC2034
COMPOSE_PACKAGES=(curl debootstrap docker-compose docker.io iptables tar) # script/test --compose

# Debian starts what it installs, and again at boot; the node runs its own Orthanc and Redis.
OWN_SERVICES=(orthanc redis-server nginx haproxy postgresql)
POLICY_FILE=/usr/sbin/policy-rc.d
POLICY_MARK='dicom-node script/setup'

missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
      printf '%s\n' "$package"
  done
}

install_packages() { # packages...
  local missing=() services=()
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  become_root "${missing[@]}"
  require_disk
  mapfile -t services < <(missing_packages "${OWN_SERVICES[@]}")

  trap allow_services EXIT
  forbid_services
  if ! apt_install "${missing[@]}"; then
    quietly "refreshing Debian's package lists" "${AS_ROOT[@]}" apt-get update || no_network
    apt_install "${missing[@]}" || {
      show_log_tail
      fail "Debian packages could not be installed: ${missing[*]}" \
        "The lines above are apt's. A package that cannot be located needs Debian 12 or later," \
        "or Ubuntu 24.04 or later with its 'universe' section."
    }
  fi
  disable_services "${services[@]}"
  allow_services
  trap - EXIT
}

apt_install() {
  quietly "installing Debian packages: $*" "${AS_ROOT[@]}" \
    env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@"
}

become_root() { # packages...
  AS_ROOT=()
  ((EUID)) || return 0
  if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    AS_ROOT=(sudo)
    sudo -v || true
    return 0
  fi
  fail "Debian packages are missing and this user may not install them." \
    "Ask somebody who may to run, then start this script again:" \
    "apt-get install --no-install-recommends $*"
}

no_network() {
  show_log_tail
  fail "Debian's package lists cannot be fetched." \
    "Check the network, the proxy and /etc/apt/sources.list, then start this script again."
}

# A policy of this call only: it says no to these services while this script lives, so that one
# left behind by a power cut forbids nothing. A policy that is there already stays as it is.
forbid_services() {
  if [[ -e $POLICY_FILE ]] && ! grep -q "$POLICY_MARK" "$POLICY_FILE"; then return 0; fi
  "${AS_ROOT[@]}" tee "$POLICY_FILE" >/dev/null <<POLICY
#!/bin/sh
# $POLICY_MARK: removed at its end, without effect once process $$ has ended
kill -0 $$ 2>/dev/null || exit 0
for word; do
  case "\$word" in orthanc*|redis*|nginx*|haproxy*|postgresql*|docker*|containerd*) exit 101 ;; esac
done
exit 0
POLICY
  "${AS_ROOT[@]}" chmod 755 "$POLICY_FILE"
}

allow_services() {
  if grep -qs "$POLICY_MARK" "$POLICY_FILE"; then "${AS_ROOT[@]}" rm -f "$POLICY_FILE"; fi
}

disable_services() { # services that were not installed before
  local service
  for service in "$@"; do
    [[ -e /etc/init.d/$service ]] || continue
    "${AS_ROOT[@]}" update-rc.d "$service" disable >>"$LOG_FILE" 2>&1 ||
      say "note: Debian's own $service will start at boot (update-rc.d $service disable failed)"
  done
}
