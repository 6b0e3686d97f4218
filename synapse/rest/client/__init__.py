"""The client-server API: one module for each family of endpoints."""
