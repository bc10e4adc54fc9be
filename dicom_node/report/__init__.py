"""Result objects: what the node stores beside the images it has read."""
