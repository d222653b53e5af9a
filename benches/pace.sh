#!/usr/bin/env bash
# A gateway between a load and a carrier: the load offers more than the carrier's rate, and the carrier says what came.
# pace.sh TRUNKLINE RATE BURST OFFERED TIME [FLAGS OF THE CARRIER]
set -euo pipefail
trunkline=$(realpath "$1") rate=$2 burst=$3 offered=$4 time=$5
shift 5

directory=$(mktemp -d)
cd "$directory"
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait; rm -r "$directory"' EXIT

"$trunkline" smsc --listen 127.0.0.1:0 --receipts none --latency 1ms..5ms "$@" 2> smsc.log &
smsc=$!
running+=("$smsc")
until address=$(grep -m 1 -o '127.*' smsc.log); do sleep 0.1; done

umask 077
cat > trunkline.yaml <<END
store: { path: store }
smpp: { listen: "127.0.0.1:27750" }
admin: { listen: "127.0.0.1:27790" }
accounts: { acme: { password: secret, max_binds: 8, window: 10000 } }
carriers: { north: { connect: "$address", system_id: us, password: secret, rate: $rate, burst: $burst } }
routes: [{ to: north }]
END
"$trunkline" serve --config trunkline.yaml 2> gateway.log &
running+=("$!")
until curl -sf http://127.0.0.1:27790/readyz > ready; do
    kill -0 "${running[1]}" || { cat gateway.log; exit 1; }
    sleep 0.1
done

"$trunkline" load --connect 127.0.0.1:27750 --rate "$offered" --duration "$time" --window 2000 --allow-errors
echo
kill "$smsc"
wait "$smsc"
