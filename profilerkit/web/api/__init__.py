"""Answer programs: JSON of the same things that the pages show, below `/api/v1`, described by OpenAPI."""
