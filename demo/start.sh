#!/usr/bin/env bash
# Starts three homeservers that talk with each other and with nobody else: see demo/README.
#
#   demo/start.sh [--no-rate-limit]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

no_rate_limit=
case "${1:-}" in
    "") ;;
    --no-rate-limit) no_rate_limit=yes ;;
    *) die "Usage: demo/start.sh [--no-rate-limit]" ;;
esac
ports=(8080 8081 8082)

main() {
    install all
    local port certificates=()
    for port in "${ports[@]}"; do
        generate "$port"
        certificates+=("$PWD/demo/$port/localhost:$((port + 400)).tls.crt")
    done
    for port in "${ports[@]}"; do
        configure "$port"
        (cd "demo/$port" && ../../venv/bin/synctl start homeserver.yaml)
        echo "localhost:$((port + 400)) serves clients at http://localhost:$port"
    done
}

# Keys, a certificate and a configuration, if there are none.
generate() {
    local directory=demo/$1
    mkdir -p -m 0700 "$directory"
    [ -e "$directory/homeserver.yaml" ] || venv/bin/python -m synapse.app.homeserver \
        --generate-config --report-stats=no --server-name "localhost:$(($1 + 400))" \
        --config-path "$directory/homeserver.yaml" --data-directory "$directory" >/dev/null
}

# Puts what is special about the demo into the generated configuration, once. The server's name is
# the address of its TLS port, so that the others find it without DNS; and they trust each other's
# self-signed certificates.
configure() {
    local file=demo/$1/homeserver.yaml
    grep -q "^# The demo" "$file" && return
    sed -i -e "s/port: 8008$/port: $1/" -e "s/port: 8448$/port: $(($1 + 400))/" \
        -e 's/bind_addresses: \["::", "0.0.0.0"\]/bind_addresses: ["127.0.0.1", "::1"]/' \
        -e 's/^enable_registration: false/enable_registration: true/' \
        -e '/^trusted_key_servers:/,/server_name/d' "$file"
    {
        echo
        echo "# The demo"
        echo "enable_registration_without_verification: true"
        echo "trusted_key_servers: []"
        echo "ip_range_blacklist: []"
        echo "federation_custom_ca_list:"
        printf '  - "%s"\n' "${certificates[@]}"
        [ -z "$no_rate_limit" ] || rate_limits
    } >>"$file"
}

rate_limits() {
    local none='{per_second: 10000, burst_count: 10000}'
    printf '%s\n' "rc_message: $none" "rc_registration: $none" "rc_joins_per_room: $none" \
        "rc_login: {address: $none, account: $none, failed_attempts: $none}" \
        "rc_joins: {local: $none, remote: $none}" \
        "rc_invites: {per_room: $none, per_user: $none, per_issuer: $none}"
}

main
