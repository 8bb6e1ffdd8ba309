"""One file for each shape of BOM, and what they share."""
