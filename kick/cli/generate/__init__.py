"""`kick generate`: pieces of an application, and whole resources, written and mounted."""
