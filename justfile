# `just` alone lists what there is. Every word is one plain command: without just, type the command.

_default:
    @just --list --unsorted

# Everything that CI checks, on SQLite and a real MySQL; `just test NAME` runs the tests that match
test *filter:
    cargo xtask test {{ if filter == "" { "" } else { "-- " + filter } }}

# A Segflow server on this machine, with the example project
dev *args:
    cargo run --package segflow-cli --bin segflow -- dev {{ args }}

# A program of benches/, in release profile
bench name *args:
    cargo run --release --package segflow-benches --bin {{ name }} -- {{ args }}

# Formatting and lints, without tests
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Format all of it
fmt:
    cargo fmt --all

# A throwaway MySQL server until Ctrl-C; prints its URL
mysql:
    cargo xtask mysql

# The pictures of emails in docs/, with fonts and Chromium of this machine and npm
pictures:
    cargo run --package segflow-cli --bin segflow -- emails examples/components --out target/pictures/components
    cargo run --package segflow-cli --bin segflow -- emails examples/storefront --out target/pictures/storefront
    SEGFLOW_PICTURES={{ justfile_directory() }}/target/pictures/six cargo test --package six --test react_email
    cd "${SEGFLOW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/segflow}/vendors/six" && node docs.mjs {{ justfile_directory() }}/target/pictures/components {{ justfile_directory() }}/target/pictures/storefront {{ justfile_directory() }}/target/pictures/six {{ justfile_directory() }}/docs/pictures
