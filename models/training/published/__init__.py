"""The published recipes, trained as they were described and measured as they were not."""
