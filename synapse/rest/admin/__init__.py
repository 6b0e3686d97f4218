"""The admin API, as Synapse's administrators know it."""
