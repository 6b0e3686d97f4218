#!/usr/bin/env bash
# Stops the homeservers of demo/start.sh and removes all that they have: rooms, accounts, keys.
set -euo pipefail
cd "$(dirname "$0")"

./stop.sh
rm -rf 8080 8081 8082 authority
