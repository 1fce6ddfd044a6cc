"""The commands as an operator types them, on throw-away hosts."""
