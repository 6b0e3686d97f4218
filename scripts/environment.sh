# For ./run, ./run-tests and .ci/run, which source it from the checkout's folder: makes ./venv, and
# installs the project into it with the versions that the tests ran with.

die() {
    echo "$*" >&2
    exit 1
}

# The first Python that is new enough and can make virtual environments; $PYTHON goes first.
find_python() {
    local python
    for python in ${PYTHON:-} python3.11 python3 python3.13 python3.12; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            command -v "$python"
            return
        fi
    done
    die "Python 3.11 or newer with its venv module is needed." \
        "On Debian and Ubuntu: sudo apt-get install python3-venv"
}

# install EXTRAS: does nothing when what it depends on has not changed since the last time.
install() {
    local extras=$1 stamp=venv/.installed-$1 wanted python
    # A virtual environment does not survive when its folder is moved, or its Python removed.
    if ! venv/bin/python -m pip --version >/dev/null 2>&1; then
        python=$(find_python) || exit 1
        echo "Making a virtual environment in ./venv with $python"
        rm -rf venv
        "$python" -m venv venv || die "$python could not make a virtual environment in ./venv"
    fi
    wanted=$(pwd; cat setup.py pyproject.toml constraints.txt \
        synapse/__init__.py synapse/python_dependencies.py | cksum)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "Installing what the server needs from PyPI"
        venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --constraint constraints.txt --editable ".[$extras]" ||
            die "The installation failed. pip's message above says why."
        echo "$wanted" >"$stamp"
    fi
}
