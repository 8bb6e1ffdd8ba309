"""The trial world: a real registry, made-up images with real layers, a whole BOM of them."""
