"""Common Cartridges 1.0 to 1.3, and what Canvas adds to them."""

from coursekeep_connectors.packages.cartridge.reader import read_cartridge

__all__ = ["read_cartridge"]
