"""The commands, one module per noun. Each module's `register` adds its commands to the application."""

__all__: list[str] = []
