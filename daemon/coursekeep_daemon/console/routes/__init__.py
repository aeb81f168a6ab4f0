"""The pages, one module per topic."""
