# What is run by hand and by CI. `just` lists it.

default:
    @just --list

# CI to the letter: format, lints, tests, benches run small, docs, fuzz targets, dependencies.
check:
    .ci/run

# The simulation: the fixed seeds, one (`just sim 42`), or a range (`just sim 0..10000`).
sim seed="":
    {{ if seed == "" { "" } else if seed =~ '\.\.' { "SEEDS=" + quote(seed) } else { "SEED=" + quote(seed) } }} cargo test --locked --test simulation -- --nocapture

# So many mutations of the corpus of receipts.
mutations count="1000000":
    MUTATIONS={{ count }} cargo test --locked --test receipts mutations -- --nocapture

# The built program, driven through its sockets.
e2e:
    cargo test --locked --test e2e

# The gateway killed under load, and the ledgers of its customers and carriers held against each other. SEED=n crashes as before.
kill cycles="50":
    KILL_CYCLES={{ cycles }} cargo test --locked --test kill -- --nocapture --test-threads 1

# Files good and bad read again every two seconds under load, in turn with quiet rounds: nobody notices, nothing leaks. `just reload 20`
# is a short one. With TRUNKLINE=target/release/trunkline the 99th percentiles are compared as well.
reload seconds="120":
    RELOAD_SECONDS={{ seconds }} cargo test --locked --test shows reloads:: -- --ignored --nocapture

# Drained and started again under load of SMPP and HTTP, without and with sockets that are held for it.
drains count="20":
    DRAINS={{ count }} cargo test --locked --test shows drains:: -- --ignored --nocapture --test-threads 1

# Call detail records against all ledgers after kills, with another number of shards in each life. SEED=n crashes as before.
records cycles="50":
    KILL_CYCLES={{ cycles }} cargo test --locked --test shows records:: -- --ignored --nocapture

# The same as `just kill` with the power of its disk: an ext4 image on a loop device that forgets what was not synced. Needs root, else it skips.
power cycles="20":
    POWER_CYCLES={{ cycles }} cargo test --locked --test power -- --ignored --nocapture --test-threads 1 --skip full::

# The disk of a gateway runs full under load, and has room again. Needs root, else it skips.
full:
    cargo test --locked --test power full -- --ignored --nocapture --test-threads 1

# Foreign clients, carriers and a dissector; what cannot be had is skipped and said.
interop:
    cargo test --locked --test interop -- --ignored --nocapture

# The manual page, from the command line.
man:
    cargo build --locked
    target/debug/trunkline man > systemd/trunkline.1

# A Debian package in target/debian. Needs cargo-deb.
deb:
    cargo deb --locked

# The same, installed into a root of its own, started, upgraded and removed again. Needs root.
package: deb
    tests/package.sh target/debian/trunkline_*.deb

# The hot steps at full size.
bench:
    cargo bench --locked --bench frame --bench router --bench engine --bench correlation --bench store

# The main job on one machine with nothing set up.
demo:
    cargo run --release --locked -- demo

# What a message's full cycle costs the gateway, and what it costs a bare relay in its place, in turn: the table of the
# README. All processes share core 0; `just ratio 5 --unpinned` leaves them to the kernel.
ratio pairs="5" *flags:
    cargo bench --locked --bench ratio -- --pairs {{ pairs }} {{ flags }}

# What an HTTP request costs the gateway, and what one costs a bare echo in its place, in turn: the table of the README.
http pairs="3" *flags:
    cargo bench --locked --bench http -- --pairs {{ pairs }} {{ flags }}

# The bare relay alone: its CPU time per submit and answer, at the three shapes, all on one core.
floor runs="5":
    taskset -c 0 cargo bench --locked --bench floor -- measure --shape 4x100 --runs {{ runs }}
    taskset -c 0 cargo bench --locked --bench floor -- measure --shape 64x10 --runs {{ runs }}
    taskset -c 0 cargo bench --locked --bench floor -- measure --shape 4x1000 --runs {{ runs }}

# A carrier's rate while more is offered, as the carrier measured it: `just pace 1000 50 8000 30s`.
pace rate="200" burst="20" offered="5000" time="20s" *smsc:
    cargo build --release --locked
    benches/pace.sh target/release/trunkline {{ rate }} {{ burst }} {{ offered }} {{ time }} {{ smsc }}

# What a start takes with 1 and 10 million live correlations in the store.
recovery:
    cargo bench --locked --bench store -- large

# The correlation table at 1 and 10 million entries.
correlation:
    cargo bench --locked --bench correlation -- large

# Every fuzz target for a minute, or those named for so many seconds: `just fuzz 300 frame operations`. Needs a C++ compiler.
fuzz seconds="60" *targets:
    fuzz/run {{ seconds }} {{ targets }}

# A customer whose network is gone. Needs root, for a network namespace, else it skips.
half-open:
    cargo test --locked --test e2e network_is_gone -- --ignored --nocapture
