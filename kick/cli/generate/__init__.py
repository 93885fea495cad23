"""`kick generate`: components of an application, and whole resources, written and mounted."""
