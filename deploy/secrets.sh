#!/bin/sh
# Makes what compose.yaml takes for secrets, in deploy/secrets/: random passwords, and a token for each name given
# (otherwise `operator`, who may do all). Prints the tokens, the only time they are seen. What is there stays.
set -eu
cd "$(dirname "$0")"
slawatch=${SLAWATCH:-slawatch}
mkdir -p secrets
chmod 700 secrets        # nobody else gets this far; the files are read by users of containers
for name in postgres-password influxdb-password influxdb-token grafana-password; do
    [ -e "secrets/$name" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "secrets/$name"
done
if [ ! -e secrets/tokens.json ]; then
    for name in "${@:-operator}"; do
        printf '%s ' "$name"
        SLAWATCH_DATA="$PWD/secrets" $slawatch --config "$PWD/slawatch.yaml" tokens add --role admin "$name"
    done
    rm -f secrets/tokens.lock
fi
chmod 444 secrets/*
