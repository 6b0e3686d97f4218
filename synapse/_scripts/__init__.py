"""The commands beside the server: each module is one, with a `main()`."""
