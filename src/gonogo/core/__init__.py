"""Floor 2: plan (pure), decide (pure), and the one durable interpreter."""
