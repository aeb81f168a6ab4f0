"""What executes course imports."""
