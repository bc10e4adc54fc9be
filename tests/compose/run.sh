#!/usr/bin/env bash
# Build the images, bring the node up under a real Docker engine, send a study, see the SR, kill
# each container and all of them. See --help and docs/compose.md; part of script/test --compose.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=/usr/bin:/usr/sbin:$PATH # Debian's docker, dockerd and docker-compose belong together

help() {
  cat <<'HELP'
usage: tests/compose/run.sh [--input FILE] [--pull] [--cache FOLDER] [--built] [--keep] [--deadline SECONDS]

Builds every image of docker-compose.yml, starts the node on free loopback ports, sends one study
with storescu, waits until it is REPORTED, fetches the SR and prints it (dsrdump); kills each
container in turn, then all at once, then each one's first process, then takes the node down and up
again: each time another study is read, and what was there before still is.
Exits 0 only if all of that went well. At the end it removes what it made: containers, volumes,
networks, images and, where no engine was running, the engine that it started.

  --input FILE        send this DICOM file instead of the phantom's chest film
  --pull              build on debian:bookworm from the registry; without it a base image is made
                      with debootstrap, which needs no registry
  --cache FOLDER      where the engine that is started has its data; it is left there, with base,
                      images and what pip fetched, for the next time
  --built             take the images as they are, where there is an engine that has them
  --keep              leave the node running and the images where they are
  --deadline SECONDS  how long to wait for an SR or for the node (default 180)

Needs root, and Debian's docker.io, docker-compose (or the compose plugin), debootstrap, dcmtk,
curl and python3.
HELP
}

INPUT='' PULL='' KEEP='' CACHE='' BUILT='' DEADLINE=180
while (($#)); do
  case "$1" in
  -h | --help) help && exit 0 ;;
  --input) INPUT=$(realpath "$2") && shift ;;
  --deadline) DEADLINE=$2 && shift ;;
  --cache) CACHE=$(realpath -m "$2") && shift ;;
  --pull) PULL=yes ;;
  --built) BUILT=yes ;;
  --keep) KEEP=yes ;;
  *) help >&2 && exit 2 ;;
  esac
  shift
done

BASE=dicom-node-debian:bookworm
WHEELS=dicom-node-wheels:test
WORK=$(mktemp -d /tmp/dicom-node-compose.XXXXXX)
ENGINE=''
MADE=() # images that were not there before

say() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }
fail() { say "error: $*" && exit 1; }

need() {
  local tool missing=()
  for tool in docker debootstrap storescu dsrdump curl python3 tar; do
    [[ -n $(command -v "$tool") ]] || missing+=("$tool")
  done
  ((${#missing[@]} == 0)) || fail "not installed: ${missing[*]}"
  if docker compose version >/dev/null 2>&1; then
    COMPOSE=(docker compose)
  elif [[ -n $(command -v docker-compose) ]]; then
    COMPOSE=(docker-compose)
  else
    fail "neither the compose plugin nor docker-compose is installed"
  fi
}

start_engine() { # only where none answers
  docker version >/dev/null 2>&1 && return 0
  ((EUID == 0)) || fail "no Docker engine answers, and only root can start one"
  local data=${CACHE:-$WORK/docker}
  say "starting a Docker engine of our own, with its data in $data"
  mkdir -p "$data"
  export DOCKER_HOST=unix://$WORK/docker.sock
  dockerd --data-root "$data" --exec-root "$WORK/exec" --pidfile "$WORK/docker.pid" \
    --host "$DOCKER_HOST" >"$WORK/dockerd.log" 2>&1 &
  ENGINE=$!
  wait_for 60 "the Docker engine" docker version
}

wait_for() { # seconds, what, command...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || fail "$what: waited too long"
    sleep 0.1
  done
}

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Debian as debootstrap makes it, with this machine's package sources and its own certificates.
make_base() {
  local root=$WORK/base
  if [[ -n $PULL ]]; then
    BASE=debian:bookworm
    return 0
  fi
  have_image "$BASE" && return 0
  say "making $BASE with debootstrap"
  debootstrap --variant=minbase bookworm "$root" \
    >"$WORK/debootstrap.log" 2>&1 || fail "debootstrap: see $WORK/debootstrap.log"
  # On a bookworm machine, its own sources too: they have the security updates.
  if grep -q 'VERSION_CODENAME=bookworm' /etc/os-release; then
    find /etc/apt/sources.list.d -name debian.sources \
      -exec cp --target-directory "$root/etc/apt/sources.list.d" {} +
  fi
  { apt-config dump | grep -E '^Acquire::(Check-|http|https)' || true; } \
    >"$root/etc/apt/apt.conf.d/80machine"
  mkdir -p "$root/usr/local/share/ca-certificates"
  find /usr/local/share/ca-certificates -name '*.crt' \
    -exec cp --target-directory "$root/usr/local/share/ca-certificates" {} +
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar --create --directory "$root" . | docker import --change 'CMD ["bash"]' - "$BASE" >/dev/null
  rm -rf "$root"
  MADE+=("$BASE")
}

# Python packages that this machine's pip finds in a folder, such as a CPU build of torch.
make_wheels() {
  local folder=''
  folder=$(python3 -m pip config get global.find-links 2>/dev/null || true)
  if [[ ! -d $folder ]]; then
    WHEELS=$BASE
    return 0
  fi
  export NODE_TORCH_INDEX=''
  have_image "$WHEELS" && return 0
  tar --create --directory "$folder" --transform 's,^\.,wheels,' . |
    docker import - "$WHEELS" >/dev/null
  MADE+=("$WHEELS")
}

build() {
  local image
  for image in dicom-node-{orthanc,doors,redis,postgres,core,worker}; do
    have_image "$image" || MADE+=("$image")
  done
  export DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
  export NODE_BASE_IMAGE=$BASE NODE_WHEELS_IMAGE=$WHEELS
  "${COMPOSE[@]}" build >"$WORK/build.log" 2>&1 || {
    tail -n 30 "$WORK/build.log" >&2
    fail "the images could not be built"
  }
}

free_port() {
  python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

orthanc() { # path, more of curl's options
  local path=$1
  shift
  curl --fail --silent --show-error --config "$WORK/curlrc" "$@" \
    "http://127.0.0.1:$NODE_HTTP_PORT$path"
}

up() {
  local password
  export COMPOSE_PROJECT_NAME=dicom-node-test-$$
  NODE_HTTP_PORT=$(free_port) NODE_DICOM_PORT=$(free_port)
  export NODE_HTTP_PORT NODE_DICOM_PORT NODE_PUBLIC_URL=http://127.0.0.1:$NODE_HTTP_PORT
  "${COMPOSE[@]}" up --detach --no-build >"$WORK/up.log" 2>&1 || {
    tail -n 30 "$WORK/up.log" >&2
    fail "the node does not start"
  }
  password=$(python3 -c 'import secrets; print(secrets.token_urlsafe(24))')
  (umask 077 && printf 'user = "tester:%s"\n' "$password" >"$WORK/curlrc" &&
    printf '%s\n' "$password" >"$WORK/password")
  wait_for "$DEADLINE" "no user can be added" add_user
  ready
}

add_user() {
  "${COMPOSE[@]}" exec -T api dicom-node users add tester --role operator --password-file - \
    <"$WORK/password"
}

ready() { wait_for "$DEADLINE" "the node is not ready" orthanc /ai/health; }

phantom() { # seed, file
  "${COMPOSE[@]}" exec -T api python - "$1" >"$2" <<'PY'
import io, sys
from dicom_node.phantom.samples import frontal
_, (film,) = frontal(seed=int(sys.argv[1]))
film.save_as(file := io.BytesIO(), enforce_file_format=True)
sys.stdout.buffer.write(file.getvalue())
PY
}

value() { # key, in the JSON on standard input; keys of keys joined by dots
  python3 -c '
import functools, json, sys
step = lambda v, k: v[int(k)] if isinstance(v, list) else v[k]
print(functools.reduce(step, sys.argv[1].split("."), json.load(sys.stdin)))' "$1"
}

ended() { [[ $(orthanc "/ai/studies/$1" | value state) =~ ^(REPORTED|REFUSED|FAILED)$ ]]; }

report() { # file, name of what comes of it: the worklist item, and the SR as Orthanc has it
  local uid sr sent item=$WORK/$2.json
  uid=$(dcmdump +P StudyInstanceUID "$1" | sed 's/.*\[\(.*\)\].*/\1/')
  sent=$(date +%s%N)
  TCP_NODELAY=1 storescu --call AITRIAGE 127.0.0.1 "$NODE_DICOM_PORT" "$1"
  wait_for "$DEADLINE" "no result" ended "$uid"
  FIGURES+=("$2: C-STORE to result $((($(date +%s%N) - sent) / 1000000)) ms")
  orthanc "/ai/studies/$uid" >"$item"
  FIGURES+=("$2: timings $(value timings <"$item")")
  [[ $(value state <"$item") == REPORTED ]] || fail "$(cat "$item")"
  READ+=("$uid")
  if "${COMPOSE[@]}" logs orthanc 2>&1 | grep plugin.dispatch_failed; then
    fail "the plugin could not hand the study over; reconcile did"
  fi
  sr=$(python3 -c 'import json, sys
item = json.load(sys.stdin)
print("studyUID=%s&seriesUID=%s&objectUID=%s" % (item["study_instance_uid"],
    item["report"]["series_instance_uid"], item["report"]["sop_instance_uid"]))' <"$item")
  orthanc "/wado?requestType=WADO&contentType=application/dicom&$sr" >"$WORK/$2.dcm"
  dsrdump "$WORK/$2.dcm"
}

read_study() {
  if [[ -z $INPUT ]]; then phantom 1 "$WORK/sample.dcm"; fi
  report "${INPUT:-$WORK/sample.dcm}" first
}

# What was read is still known, people can still log in, and reading goes on.
unharmed() { # seed of another film
  local uid
  ready
  for uid in "${READ[@]}"; do ended "$uid" || fail "the worklist forgot the study $uid"; done
  phantom "$1" "$WORK/film$1-sample.dcm"
  report "$WORK/film$1-sample.dcm" "film$1" >"$WORK/film$1.txt"
}

survive_each() {
  local service seed=100
  for service in $("${COMPOSE[@]}" config --services); do
    [[ $service != prepare ]] || continue
    say "killing $service"
    docker kill "$("${COMPOSE[@]}" ps -q "$service")" >>"$WORK/up.log"
    "${COMPOSE[@]}" start "$service" >>"$WORK/up.log" 2>&1
    unharmed $((seed += 1))
  done
}

# As in a power cut: everything dies at once.
survive_all() {
  "${COMPOSE[@]}" kill >>"$WORK/up.log" 2>&1
  "${COMPOSE[@]}" start >>"$WORK/up.log" 2>&1
  unharmed 201
}

# Nobody stopped them: they come back by themselves.
come_back() {
  local container running=()
  mapfile -t running < <(docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
  for container in "${running[@]}"; do
    kill -9 "$(docker inspect --format '{{.State.Pid}}' "$container")"
  done
  unharmed 301
}

down_and_up() {
  "${COMPOSE[@]}" down --timeout 20 >>"$WORK/up.log" 2>&1
  "${COMPOSE[@]}" up --detach --no-build >>"$WORK/up.log" 2>&1
  unharmed 401
}

clean() {
  local status=$?
  trap - EXIT
  if [[ -n ${COMPOSE_PROJECT_NAME:-} && $status != 0 ]]; then
    "${COMPOSE[@]}" ps >&2 || true
    "${COMPOSE[@]}" logs --tail=40 >&2 || true
  fi
  if [[ -n $KEEP ]]; then
    say "kept: project ${COMPOSE_PROJECT_NAME:-none}, DOCKER_HOST=${DOCKER_HOST:-}, $WORK"
    exit "$status"
  fi
  say "removing what was made"
  if [[ -n ${COMPOSE_PROJECT_NAME:-} ]]; then
    "${COMPOSE[@]}" down --volumes --timeout 20 >>"$WORK/up.log" 2>&1 || status=1
  fi
  [[ -n $CACHE ]] || ((${#MADE[@]} == 0)) || docker image rm "${MADE[@]}" >/dev/null || status=1
  if [[ -n $ENGINE ]]; then
    [[ -z $CACHE ]] || docker image prune --force >/dev/null || true # what this build replaced
    kill "$ENGINE"
    wait "$ENGINE" || true
  fi
  rm -rf "$WORK" || status=1
  exit "$status"
}

timed() { # title, command...
  local title=$1 started
  shift
  say "$title"
  started=$(date +%s%N)
  "$@"
  FIGURES+=("$title: $((($(date +%s%N) - started) / 1000000)) ms")
}

main() {
  FIGURES=() READ=()
  need
  trap clean EXIT
  start_engine
  if [[ -z $BUILT ]]; then
    timed "base image" make_base
    make_wheels
    timed "building the images" build
  fi
  timed "starting the node, until it is ready" up
  timed "reading a study" read_study
  timed "killing each container, reading another study each time" survive_each
  timed "killing everything, starting again, reading another study" survive_all
  timed "killing every container's process, reading another study" come_back
  timed "down and up, reading another study" down_and_up
  printf '%s\n' "${FIGURES[@]}"
  docker image ls --format '{{.Repository}}: {{.Size}}' | grep '^dicom-node-' | sort
  say "done"
}

main
