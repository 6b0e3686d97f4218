#!/usr/bin/env bash
# Stops the homeservers of demo/start.sh.
set -euo pipefail
cd "$(dirname "$0")"

for directory in 8080 8081 8082; do
    if [ -e "$directory/homeserver.yaml" ]; then
        (cd "$directory" && ../../venv/bin/synctl stop homeserver.yaml)
    fi
done
