"""What a run was: facts, then the same facts for people and for machines."""
