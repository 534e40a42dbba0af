#!/usr/bin/env bash
# need.sh: says which programs are missing before anything is built, and how to get them.
set -euo pipefail
missing=0
need() { # $1 program, $2 what to do
  if ! command -v "$1" >/dev/null 2>&1; then
    echo "make: '$1' is missing: $2" >&2
    missing=1
  fi
}
need cargo "install Rust with rustup (rust-toolchain.toml chooses the version), see https://rustup.rs"
need python3 "install Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv)"
# The one that Maven and Spark take.
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
need "$java" "install JDK 17 or 21 (Debian: apt-get install openjdk-17-jdk-headless)${JAVA_HOME:+, and set JAVA_HOME to it}"
need "${java}c" "install the JDK, not only the JRE (Debian: apt-get install openjdk-17-jdk-headless)"
need mvn "install Maven 3.8 or newer (Debian: apt-get install maven)"
need strip "install binutils (Debian: apt-get install binutils)"
if [ "$missing" -eq 0 ]; then
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "make: $(python3 --version) is too old: Python 3.11 or newer is needed" >&2
    missing=1
  }
  # Debian has ensurepip in a package of its own.
  python3 -c 'import venv, ensurepip' 2>/dev/null || {
    echo "make: python3 makes no environments: install its venv module (Debian: apt-get install python3-venv)" >&2
    missing=1
  }
  major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  # Hadoop 3.4 asks Subject.getSubject, which fails since Java 23.
  if [ "${major:-0}" -lt 17 ] || [ "$major" -ge 23 ]; then
    echo "make: $java is version ${major:-unknown}: JDK 17 or 21 is needed (set JAVA_HOME to one, or unset it for that on PATH)" >&2
    missing=1
  fi
fi
exit "$missing"
