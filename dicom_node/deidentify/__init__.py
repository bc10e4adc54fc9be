"""De-identification of what leaves the node for research: PS3.15 Annex E."""
