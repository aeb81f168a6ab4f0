"""The routes of the control API, one module per noun."""

__all__: list[str] = []
