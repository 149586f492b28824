#!/bin/sh
# Make the virtual environments in which `make bench` finds its peers: the newest
# of each, and the version of DuckDB that servestat has inside.
set -e
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
python3 -m venv .venv-embedded
.venv-embedded/bin/pip install --quiet --requirement requirements-embedded.txt
