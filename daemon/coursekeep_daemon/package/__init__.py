"""The package: the only package that knows the format."""
