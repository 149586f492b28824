#!/bin/sh
# Make the virtual environment in which `make bench` finds its peers.
set -e
cd "$(dirname "$0")"
python3 -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
