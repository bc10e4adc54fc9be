# Shared by the scripts of this folder; sourced, never run.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
ROOT=$PWD
LOG_FILE=$ROOT/build/setup.log

say() { printf '[%3d s] %s\n' "$SECONDS" "$*" >&2; }

fail() { # what happened, what to do
  printf '[%3d s] error: %s\n' "$SECONDS" "$1" >&2
  shift
  local line
  for line in "$@"; do printf '        %s\n' "$line" >&2; done
  exit 1
}

# Run a command with its output in the log; on a terminal, show that time passes.
quietly() { # title, command...
  local title=$1 ticker='' status=0
  shift
  mkdir -p "$(dirname "$LOG_FILE")"
  printf '\n== %s: %s\n' "$title" "$*" >>"$LOG_FILE"
  say "$title"
  if [[ -t 2 ]]; then
    tick &
    ticker=$!
  fi
  "$@" >>"$LOG_FILE" 2>&1 </dev/null || status=$?
  if [[ -n $ticker ]]; then
    kill "$ticker"
    wait "$ticker" 2>/dev/null || true
    printf '\r\033[K' >&2
  fi
  return "$status"
}

tick() { # until the script ends, however it ends
  while kill -0 $$ 2>/dev/null; do
    printf '\r[%3d s] …' "$SECONDS" >&2
    sleep 0.5
  done
}

show_log_tail() { tail -n 15 "$LOG_FILE" | sed 's/^/        | /' >&2; }

has_nvidia_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }
