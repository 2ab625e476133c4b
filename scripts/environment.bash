# Sourced by the scripts of this folder: find Python and make the project's own environment.
#
# The environment lives in .venv at the root of the project. It is made from a lock file in which
# every file has its hash, and made again when the lock, pyproject.toml or Python change.

# find_python: print the first Python of version 3.11 or later. YINZHENG_PYTHON names another one.
find_python() {
  local candidate
  for candidate in "${YINZHENG_PYTHON:-}" python3 python3.11 python3.12 python3.13 python3.14 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  echo "Python 3.11 or later is needed and was not found. Install it, or name it:" >&2
  echo "  YINZHENG_PYTHON=/path/to/python bash ${0}" >&2
  return 69
}

# stamp_of PYTHON LOCK: print a checksum of everything the environment is made from.
stamp_of() {
  "$1" -c 'if True:
    import hashlib, pathlib, sys
    parts = [sys.version.encode(), str(pathlib.Path.cwd()).encode()]
    parts += [pathlib.Path(name).read_bytes() for name in sys.argv[1:]]
    print(hashlib.sha256(b"\n".join(hashlib.sha256(p).digest() for p in parts)).hexdigest())
  ' "$2" pyproject.toml
}

# has_stamp LOCK STAMP: succeed when .venv was finished from exactly this lock.
has_stamp() {
  [ -x .venv/bin/python ] && [ "$(cat ".venv/stamp-$1" 2>/dev/null)" = "$2" ]
}

# make_environment LOCK: leave .venv with at least what LOCK pins. Call it at the project's root.
make_environment() {
  local lock=$1 python stamp developer
  python=$(find_python)
  stamp=$(stamp_of "$python" "$lock")
  has_stamp "$lock" "$stamp" && return 0
  # What the developers' environment pins holds the users' lock too, at the same versions.
  developer=$(stamp_of "$python" requirements-dev.lock)
  has_stamp requirements-dev.lock "$developer" && return 0
  if ! has_stamp requirements.lock "$(stamp_of "$python" requirements.lock)"; then
    rm -rf .venv
    echo "Making the environment in .venv (the first run takes a minute) ..." >&2
    "$python" -m venv .venv || {
      echo "Python has no venv module here; on Debian and Ubuntu: apt-get install python3-venv" >&2
      return 69
    }
  fi
  .venv/bin/python -m pip install -qq --disable-pip-version-check \
    --require-hashes --requirement "$lock" >&2
  .venv/bin/python -m pip install -qq --disable-pip-version-check \
    --no-deps --no-build-isolation --no-index --editable . >&2
  echo "$stamp" >".venv/stamp-$lock"
}
