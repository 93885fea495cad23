"""The interactive page of an API: Swagger UI, as kick serves it."""
