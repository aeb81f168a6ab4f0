"""A small LMS that speaks the Canvas API over HTTP, for demos and tests."""
