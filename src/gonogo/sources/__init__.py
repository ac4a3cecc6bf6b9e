"""Sources give a watch window its numbers; one module per source."""
