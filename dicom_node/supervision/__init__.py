"""Starting, watching and ending the node's processes, by supervisord."""
