"""What the server remembers: one class for each domain, and all SQL that is not about schema."""
