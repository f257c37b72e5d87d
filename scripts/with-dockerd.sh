#!/usr/bin/env bash
# with-dockerd.sh COMMAND...: runs a command beside a Docker daemon of its own, which BACKSIGHT_DOCKER_SOCKET names to it.
# The daemon keeps all it has in a temporary folder and leaves the machine's network as it is; both end with the command.
# Needs root. The exit code is the command's, or 1 when the daemon does not start.
set -uo pipefail
if [[ $# -eq 0 ]]; then
  sed -n '2,4s/^# //p' "$0"
  exit 2
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/backsight-dockerd-XXXXXX")
group=$(basename "$folder")
daemon=

tidy() {
  if [[ -n $daemon ]]; then
    kill "$daemon" 2>/dev/null
    for _ in {1..300}; do
      kill -0 "$daemon" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$daemon" 2>/dev/null
    wait "$daemon" 2>/dev/null
  fi
  # The control group that all its containers were in.
  find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null
  # What a killed daemon leaves mounted, the deepest first.
  awk -v below="$folder/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r point; do
    umount --lazy "$point"
  done
  rm -rf "$folder"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

answers() {
  [[ -S $folder/docker.sock ]] && node -e '
    require("node:http")
      .get({ socketPath: process.argv[1], path: "/_ping", timeout: 2000 }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
      .on("error", () => process.exit(1))
      .on("timeout", () => process.exit(1));' "$folder/docker.sock"
}

# A session of its own: a terminal's Ctrl-C reaches the command, and the daemon ends after it.
setsid dockerd --host "unix://$folder/docker.sock" --data-root "$folder/data" --exec-root "$folder/exec" \
  --pidfile "$folder/dockerd.pid" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
  --bridge=none --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$group" >"$folder/log" 2>&1 </dev/null &
daemon=$!

for _ in {1..150}; do
  answers && break
  if ! kill -0 "$daemon" 2>/dev/null; then break; fi
  sleep 0.2
done
if ! answers; then
  echo 'dockerd does not start:' >&2
  tail -n 40 "$folder/log" >&2
  exit 1
fi

BACKSIGHT_DOCKER_SOCKET="$folder/docker.sock" "$@"
