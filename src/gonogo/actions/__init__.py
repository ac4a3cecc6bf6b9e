"""Actions: what a procedure does. One file each; the name in a procedure is the file's name."""
