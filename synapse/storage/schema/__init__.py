"""The numbered migrations; `synapse.storage.migrations` applies them in order."""
