"""Ways to reach people where they work, one module each."""
