"""A small customer portal: a backend, a frontend, a worker and a migration command."""
