"""What is known: values with their states, and how they merge."""
