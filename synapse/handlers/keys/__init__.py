"""Keys for encryption: publishing them, asking for others', vouching for them."""
