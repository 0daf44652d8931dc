"""Prefect at the rim: what runs where, when, and who is told. All logic stays in `pipeline`, which knows no Prefect."""

import os

# Prefect reads these once, when it is imported. `setdefault`: whoever runs it has the last word.
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")  # DO_NOT_TRACK alone does not stop the server's
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "200")  # a first start migrates a database
