"""The endpoints in groups, each with the parts that its resources work with."""
