"""The trial world itself is tried here: who watches the watchmen."""
