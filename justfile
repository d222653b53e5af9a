# What is run by hand and by CI. `just` lists it.

export RUSTDOCFLAGS := "-D warnings"

default:
    @just --list

# CI to the letter: format, lints, tests, benches run small, docs, dependencies.
check:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    cargo test --locked
    cargo test --benches --locked
    cargo doc --no-deps --locked
    if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else echo "cargo-deny is not installed: skipped"; fi

# The simulation: the fixed seeds, or one: `just sim 42`.
sim seed="":
    {{ if seed == "" { "" } else { "SEED=" + quote(seed) } }} cargo test --locked --test simulation -- --nocapture

# The built program, driven through its sockets.
e2e:
    cargo test --locked --test e2e

# Foreign clients, carriers and a dissector; what cannot be had is skipped and said.
interop:
    cargo test --locked --test interop -- --ignored --nocapture

# Every bench at its full size.
bench:
    cargo bench --locked

# The main job on one machine with nothing set up.
demo:
    cargo run --release --locked -- demo

# The floor every figure is a ratio of: a bare relay's CPU time per message, at the three shapes, all on one core
# because waking an idle one costs more than the work and varies with what else runs.
ratio runs="5":
    taskset -c 0 cargo bench --locked --bench floor -- measure --shape 4x100 --runs {{ runs }}
    taskset -c 0 cargo bench --locked --bench floor -- measure --shape 64x10 --runs {{ runs }}
    taskset -c 0 cargo bench --locked --bench floor -- measure --shape 4x1000 --runs {{ runs }}
