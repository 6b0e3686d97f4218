"""How the server bears its largest sizes: a database filled with them, and clients that use it.

    python -m tests.sizes.fill DIRECTORY      # 100,000 members, 10,000 rooms, 1,000,000 events
    python -m tests.sizes.drive DIRECTORY     # times, waits and memory
    python -m tests.sizes.federation          # what other servers ask of 20,000 members, and forks

On PostgreSQL, the same inside `python -m tests.postgres -- sh -c '…'`. Not part of the test suite:
it takes a quarter of an hour.
"""
