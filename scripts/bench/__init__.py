"""How fast is it: the tool beside the least that must be done, and beside skopeo, in one run."""
